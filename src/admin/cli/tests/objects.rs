//! Commands about remote domains, authentication policies and the ways by which mail leaves.

use super::*;

#[test]
fn remote_domains_are_made_shown_exported_and_removed() {
    let premises = InMemory::contoso();
    for (line, code) in [
        ("franking remote-domain add \"*.Fabrikam.example\" --auto-forward off --out-of-office none", 0),
        ("franking remote-domain add *.fabrikam.example", 1),
        ("franking remote-domain set adatum.example --auto-forward off", 3),
        ("franking remote-domain set * --non-delivery-reports off", 0),
        ("franking remote-domain set *", 1),
        ("franking remote-domain add a..b", 1),
        ("franking remote-domain remove adatum.example", 3),
    ] {
        assert_eq!(typed(&premises, line, "").0, code, "{line}");
    }
    let (_, out, _) = typed(&premises, "franking remote-domain list", "");
    let rows: Vec<&str> = out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, ["DOMAIN", "*", "*.fabrikam.example"], "{out}");
    let (_, toml, _) = typed(&premises, "franking export", "");
    assert!(
        toml.contains("[[remote_domain]]\ndomain = \"*.fabrikam.example\"\nauto_forward_enabled = false"),
        "{toml}"
    );
    let empty = InMemory::default();
    assert_eq!(typed(&empty, "franking import - --form toml", &toml).0, 0);
    assert_eq!(typed(&empty, "franking export", "").1, toml);
    assert_eq!(typed(&premises, "franking remote-domain remove *", "").0, 0);
    // Without an entry of their own the defaults are shown for all others.
    let (_, out, _) = typed(&premises, "franking remote-domain list --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["remote_domains"][0]["domain"], "*");
    assert_eq!(json["remote_domains"][0]["ndr_enabled"], true);
}

#[test]
fn explain_tells_of_a_copy_that_a_remote_domain_drops() {
    let premises = InMemory::contoso();
    assert_eq!(typed(&premises, "franking remote-domain set * --auto-forward off", "").0, 0);
    let (_, out, _) = typed(&premises, "franking explain --as alice --to carol", "");
    let told = "carol@fabrikam.example: dropped, and nobody is told: the remote domain * takes nothing forwarded";
    assert!(out.contains(told), "{out}");
    let cure = out.lines().find_map(|line| line.strip_prefix("  try: ")).unwrap();
    assert_eq!(typed(&premises, cure, "").0, 0, "{cure}");
    assert!(!typed(&premises, "franking explain --as alice --to carol", "").1.contains("dropped"));
}

#[test]
fn every_way_by_which_mail_leaves_is_listed_and_counted() {
    let premises = InMemory::contoso();
    let (code, out, _) = typed(&premises, "franking audit forwarding", "");
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "AutoForwardingMode is On: what mailboxes forward outside may leave.\n\n\
         Mailboxes that forward outside:\n  \
         carol@contoso.example → carol@fabrikam.example (ForwardingSmtpAddress; keeps no copy)\n\n\
         Mail users and contacts:\n  \
         scanner@contoso.example → scanner@fabrikam.example (MailUser)\n  \
         partner@contoso.example → partner@fabrikam.example (MailContact)\n\n\
         Groups with members outside:\n  \
         staff@contoso.example → 1 outside: partner@fabrikam.example (MailUniversalDistributionGroup)\n\n\
         Mailboxes that forward outside: 1 open\nAutomatic replies to strangers: 0 open\n\
         Mail users and contacts: 2 open\nGroups with members outside: 1 open\n\
         Remote mailboxes: 0 open\nInternal relay domains: 0 open\n"
    );
    assert_eq!(typed(&premises, "franking organisation set --auto-forwarding off", "").0, 0);
    let (_, out, _) = typed(&premises, "franking audit forwarding", "");
    assert!(out.starts_with(
        "AutoForwardingMode is Off: what mailboxes forward outside is refused, and the sender hears of it.\n"
    ));
    assert!(out.contains("keeps no copy; blocked by the forwarding policy)"), "{out}");
    assert!(out.contains("Mailboxes that forward outside: 0 open, and 1 closed\n"), "{out}");
    let (_, out, _) = typed(&premises, "franking audit forwarding --open --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["ways"].as_array().unwrap().len(), 3, "{out}");
    assert_eq!(json["ways"][0]["way"], "person");
    assert_eq!(json["counts"]["mailbox-forwarding"]["all"], 1);
    assert_eq!(json["counts"]["mailbox-forwarding"]["open"], 0);
    // A list of nothing is still a list.
    let (_, out, _) = typed(&InMemory::default(), "franking audit forwarding --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["ways"], serde_json::json!([]));
}

#[test]
fn authentication_policies_are_made_assigned_and_kept_while_somebody_has_them() {
    let premises = InMemory::contoso();
    let code = |line: &str| typed(&premises, line, "").0;
    let reply = || {
        let (_, out, _) = typed(&premises, "franking recipient show alice --json", "");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        json["refused_with"].as_str().map(str::to_owned)
    };
    assert_eq!(code("franking authentication-policy add \"Block basic\""), 0);
    assert_eq!(code("franking authentication-policy add \"block BASIC\""), 1);
    assert_eq!(code("franking authentication-policy add Devices --basic-auth-smtp on"), 0);
    assert_eq!(code("franking authentication-policy add \"\""), 1);
    assert_eq!(code("franking recipient set alice --authentication-policy Nobody"), 1);
    assert_eq!(reply(), None);
    assert_eq!(code("franking recipient set alice --authentication-policy \"Block Basic\""), 0);
    let refused = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.";
    assert_eq!(reply().as_deref(), Some(refused));
    // The cures that are named cure.
    let (_, out, _) = typed(&premises, "franking explain --as alice --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cures = json["steps"][0]["cures"].as_array().unwrap().clone();
    assert_eq!(cures[1], "franking authentication-policy set \"Block Basic\" --basic-auth-smtp on");
    assert_eq!(code(cures[1].as_str().unwrap()), 0);
    assert_eq!(reply(), None);
    assert_eq!(code("franking authentication-policy set \"block basic\" --basic-auth-smtp off"), 0);
    assert_eq!(code(cures[0].as_str().unwrap()), 0);
    assert_eq!(reply(), None);
    assert_eq!(code("franking recipient set alice --basic-auth-smtp inherit"), 0);
    assert_eq!(reply().as_deref(), Some(refused));
    assert_eq!(code("franking authentication-policy remove \"Block basic\""), 1);
    let (_, out, _) = typed(&premises, "franking authentication-policy list", "");
    assert!(out.contains("Block basic  forbidden           1"), "{out}");
    let (_, toml, _) = typed(&premises, "franking export", "");
    let copy = InMemory::default();
    assert_eq!(typed(&copy, "franking import - --form toml", &toml).0, 0);
    assert_eq!(typed(&copy, "franking export", "").1, toml);
    assert_eq!(code("franking recipient set alice --authentication-policy \"\""), 0);
    assert_eq!(code("franking organisation set --default-authentication-policy \"Block basic\""), 0);
    assert_eq!(reply().as_deref(), Some(refused));
    assert_eq!(code("franking authentication-policy remove \"Block basic\""), 1);
    assert_eq!(code("franking recipient set alice --authentication-policy Devices"), 0);
    assert_eq!(reply(), None);
    assert_eq!(code("franking organisation set --default-authentication-policy \"\""), 0);
    assert_eq!(code("franking authentication-policy remove \"Block basic\""), 0);
    assert_eq!(code("franking organisation set --default-authentication-policy \"Block basic\""), 1);
}

#[test]
fn explaining_a_sign_in_without_tls_names_what_a_device_lacks() {
    let premises = InMemory::contoso();
    let ask = |line: &str| {
        let (code, out, _) = typed(&premises, &format!("franking explain sign-in {line} --without-tls --json"), "");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["accepted"], code == 0, "{out}");
        json
    };
    let by_password = ask("alice");
    assert!(by_password["reply"].as_str().unwrap().starts_with("538 5.7.11 "), "{by_password}");
    assert!(by_password["cures"][0].as_str().unwrap().starts_with("franking device add alice@contoso.example NAME "));
    for bounds in ["", "--network 192.168.10.0/24", "--sender alice@contoso.example --network 192.168.10.7,203.0.113.9"]
    {
        assert_eq!(typed(&premises, &format!("franking device add alice scan {bounds}"), "").0, 0);
        let refused = ask("alice --device scan");
        let decided = refused["decided_by"].as_str().unwrap();
        assert!(decided.contains("scan is to be bound to private networks, senders and recipients"), "{decided}");
        let cure = refused["cures"][0].as_str().unwrap().replace("NETWORK", "10.0.0.0/8");
        assert_eq!(typed(&premises, &cure, "").0, 0, "{cure}");
        assert_eq!(ask("alice --device scan")["accepted"], true, "{cure}");
        assert_eq!(typed(&premises, "franking device revoke alice scan", "").0, 0);
    }
}

#[test]
fn explaining_a_sign_in_names_the_rule_that_decided_and_a_cure_that_cures() {
    let premises = InMemory::contoso();
    let ask = |line: &str| {
        let (code, out, _) = typed(&premises, &format!("franking explain sign-in {line} --json"), "");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["accepted"], code == 0, "{out}");
        json
    };
    let decided = |line: &str| {
        let json = ask(line);
        let reply: String = json["reply"].as_str().unwrap().chars().take(12).collect();
        format!("{} | {}", json["decided_by"].as_str().unwrap(), reply.trim_end())
    };
    assert_eq!(decided("alice"), "no rule forbids it | 235 2.7.0 Au");
    assert_eq!(decided("alice --password-right"), decided("alice"));
    assert_eq!(decided("alice --password-wrong"), "it is not so that the credentials are right | 535 5.7.3 Au");
    let token = "it is not so that this server believes an issuer of tokens | 535 5.7.3 Au";
    assert_eq!(decided("alice --token"), token);
    assert!(ask("alice --token")["cures"][0].as_str().unwrap().contains("[[issuer]]"));
    assert_eq!(decided("nobody"), "it is not so that the login names an account (nobody) | 535 5.7.3 Au");
    for (login, rule) in [
        ("info", "the account is disabled or its sign-in is blocked | 535 5.7.3 Au"),
        ("quiet", "SmtpClientAuthenticationDisabled is set on the mailbox | 535 5.7.139"),
        (
            "dora",
            "it is not so that there is a mailbox to open (UserMailbox, disconnected since 2026-01-05T09:00:00.000Z, \
             no licence) | 550 5.2.1 Ma",
        ),
        ("scanner", "it is not so that there is a mailbox to open (MailUser, no mailbox, no licence) | 550 5.2.1 Ma"),
    ] {
        assert_eq!(decided(login), rule);
        // What is named first is done, until nothing is in the way.
        for _ in 0..3 {
            if let Some(cure) = ask(login)["cures"][0].as_str() {
                assert_eq!(typed(&premises, cure, "").0, 0, "{cure}");
            }
        }
        assert_eq!(decided(login), "no rule forbids it | 235 2.7.0 Au", "{login}");
    }
    assert_eq!(typed(&premises, "franking organisation set --smtp-auth off", "").0, 0);
    assert_eq!(decided("alice"), "SmtpClientAuthenticationDisabled is set on the organisation | 535 5.7.139");
    assert_eq!(
        decided("quiet"),
        "no rule forbids it: SmtpClientAuthenticationDisabled is set on the organisation? it is, and the mailbox's own \
         value permits it, which counts for more | 235 2.7.0 Au"
    );
    let (_, out, _) = typed(&premises, "franking explain sign-in alice", "");
    assert!(out.contains("  → SmtpClientAuthenticationDisabled is set on the organisation\n  ✗ 535 5.7.139"), "{out}");
    for nonsense in ["\"\"", "@", "\u{1b}[2J", "a@b@c"] {
        ask(nonsense);
    }
}

#[test]
fn email_address_policies_are_made_shown_exported_and_seen_in_the_history_of_names() {
    let premises = InMemory::contoso();
    for (line, code) in [
        ("franking address-policy new Groups --template SMTP:g-%m@contoso.example --included-recipients MailGroups", 0),
        ("franking address-policy new groups --template %m@contoso.example", 1),
        ("franking address-policy new \"Default Policy\" --priority lowest --template %m@contoso.example", 0),
        (
            "franking address-policy set Groups --template smtp:%m@contoso.example --template SMTP:g-%m@contoso.example",
            0,
        ),
        ("franking address-policy set nobody --priority 1", 3),
        ("franking recipient set board --email-address-policy-enabled on", 3),
        ("franking address-policy apply nobody --preview", 3),
        ("franking recipient new walks --type GroupMailbox", 0),
    ] {
        let (got, out, err) = typed(&premises, line, "");
        assert_eq!(got, code, "{line}\n{out}{err}");
    }
    let (_, out, _) = typed(&premises, "franking address-policy list", "");
    let rows: Vec<&str> = out.lines().collect();
    assert!(
        rows[1].starts_with("1         Groups          SMTP:g-%m@contoso.example smtp:%m@contoso.example"),
        "{out}"
    );
    assert!(rows[2].starts_with("Lowest    Default Policy  SMTP:%m@contoso.example"), "{out}");
    assert_eq!(rows[3], "note: As in the cloud, only Microsoft 365 groups follow email address policies.");
    let (_, out, _) = typed(&premises, "franking recipient show walks", "");
    assert!(out.contains("email_address_policy_enabled = true\n"), "{out}");
    assert!(out.contains("its addresses are by the email address policy: Groups\n"), "{out}");
    let (_, out, _) = typed(&premises, "franking recipient show walks --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["properties"]["address"], "g-walks@contoso.example");
    assert_eq!(json["address_policy"], "Groups");
    let line = "franking address-policy set Groups --template SMTP:group.%m@contoso.example";
    assert_eq!(typed(&premises, line, "").0, 0);
    let (_, out, _) = typed(&premises, "franking address-policy apply --preview", "");
    let told = "follow email address policies: 1; would be given other addresses: 1; refused: 0\n\n\
                PRIMARY BEFORE           PRIMARY AFTER                NEW SECONDARY ADDRESSES  POLICY\n\
                g-walks@contoso.example  group.walks@contoso.example                           Groups\n\
                Nothing was changed. Do it: franking address-policy apply\n";
    assert_eq!(out, told);
    let (_, toml, _) = typed(&premises, "franking export", "");
    let empty = InMemory::default();
    assert_eq!(typed(&empty, "franking import - --form toml", &toml).0, 0);
    assert_eq!(typed(&empty, "franking export", "").1, toml);
}

#[test]
fn conditions_of_a_dynamic_group_become_its_filter() {
    let premises = InMemory::contoso();
    let line = "franking recipient new sales-people@contoso.example --type DynamicDistributionGroup \
                --included-recipients MailboxUsers --conditional-department Sales --conditional-department R&D";
    assert_eq!(typed(&premises, line, "").0, 0);
    let (_, out, _) = typed(&premises, "franking recipient show sales-people --json", "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let filter = "(RecipientTypeDetails -eq 'UserMailbox' -or RecipientTypeDetails -eq 'SharedMailbox') -and (Department \
                  -eq 'Sales' -or Department -eq 'R&D')";
    assert_eq!(json["properties"]["recipient_filter"], filter);
    assert_eq!(typed(&premises, "franking recipient set bob --department Sales", "").0, 0);
    let (_, out, _) = typed(&premises, "franking group list-members sales-people", "");
    assert!(out.contains("bob@") && !out.contains("alice@"), "{out}");
    let both = "franking recipient set sales-people --recipient-filter x --conditional-company y";
    assert!(Cli::try_parse_from(words(both)).is_err());
}

#[test]
fn a_cmdlet_of_exchange_is_found_in_the_pages_of_help() {
    let premises = InMemory::contoso();
    for (line, told) in [
        ("franking help Set-AcceptedDomain", "franking domain set"),
        ("franking help get-emailaddresspolicy", "franking address-policy list"),
        ("franking cmdlets disable-mailbox", "franking mailbox disable"),
        ("franking help recipient set", "Usage: franking recipient set [OPTIONS] <RECIPIENT>"),
        ("franking help", "Print the page of help of a command"),
    ] {
        let (code, out, err) = typed(&premises, line, "");
        assert_eq!(code, 0, "{line}: {err}");
        assert!(out.contains(told), "{line}\n{out}");
    }
    let (code, _, err) = typed(&premises, "franking help New-ThrottlingPolicy", "");
    assert_eq!(code, 3);
    assert!(err.contains("try: franking cmdlets"), "{err}");
    assert_eq!(typed(&premises, "franking help recipient shown", "").0, 3);
    let (_, out, _) = typed(&premises, "franking cmdlets --json", "");
    let all: serde_json::Value = serde_json::from_str(&out).unwrap();
    // What an administrator types most (spec section 9.1), each with a command that can be typed.
    for cmdlet in [
        "New-Mailbox",
        "Set-Mailbox",
        "Get-Mailbox",
        "Remove-Mailbox",
        "Disable-Mailbox",
        "Enable-Mailbox",
        "Undo-SoftDeletedMailbox",
        "Set-CASMailbox",
        "New-MailContact",
        "Add-DistributionGroupMember",
        "Add-RecipientPermission",
        "Add-MailboxPermission",
        "Set-MailboxAutoReplyConfiguration",
        "New-AcceptedDomain",
        "Set-RemoteDomain",
        "Get-MessageTraceV2",
        "Get-Queue",
        "Set-OrganizationConfig",
        "Update-EmailAddressPolicy",
    ] {
        let found = all.as_array().unwrap().iter().find(|own| own["cmdlet"] == cmdlet);
        let found = found.unwrap_or_else(|| panic!("{cmdlet} is on no page"));
        let path = found["command"].as_str().unwrap().split(' ').skip(1);
        let mut command = Cli::command();
        for word in path {
            command = command.find_subcommand(word).unwrap_or_else(|| panic!("{found}")).clone();
        }
    }
}

#[test]
fn a_file_of_names_goes_on_after_one_that_nobody_has() {
    let premises = InMemory::contoso();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("names.txt");
    std::fs::write(&file, "# leavers\nalice\n\nalcie@contoso.example\nbob\n").unwrap();
    let line = format!("franking licence remove --file {} --licence ExchangeOnlinePlan1", file.display());
    let report = format!("franking licence report --remove ExchangeOnlinePlan1 --file {}", file.display());
    let (code, out, _) = typed(&premises, &report, "");
    assert_eq!(code, 3);
    assert!(out.contains("alice@contoso.example") && out.contains("bob@contoso.example"), "{out}");
    assert!(out.contains("not found: line 4: There is no recipient"), "{out}");
    let (code, out, _) = typed(&premises, &format!("{line} --json"), "");
    assert_eq!(code, 3);
    let answers: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = answers.iter().map(|own| (own["line"].as_u64(), own["result"].as_str())).collect();
    assert_eq!(told, [(Some(2), Some("done")), (Some(4), Some("failed")), (Some(5), Some("done"))]);
    let (code, out, err) = typed(&premises, &line.replace("remove", "assign"), "");
    assert_eq!((code, out.lines().filter(|line| line.contains("is assigned to")).count()), (3, 2));
    assert!(err.contains("franking: line 4: There is no recipient"), "{err}");
    // One name in a file is told like several.
    std::fs::write(&file, "alice\n").unwrap();
    assert_eq!(typed(&premises, &format!("{line} --json"), "").1.lines().count(), 1);
}

#[test]
fn an_import_says_who_has_no_password_and_takes_a_licence() {
    let premises = InMemory::contoso();
    let user = |name: &str, more: &str| {
        format!("[[recipient]]\ntype = \"UserMailbox\"\naddress = \"{name}@contoso.example\"\n{more}\n")
    };
    let text = [
        user("new1", ""),
        user("new2", "password = \"correct horse battery\""),
        user("new3", "licence = \"ExchangeOnlineKiosk\""),
        user("new4", "licences = []"),
        "[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"new5@contoso.example\"\n".to_owned(),
    ]
    .concat();
    let line = "franking import - --form toml --licence ExchangeOnlinePlan2";
    for end in [" --dry-run", ""] {
        let (code, out, err) = typed(&premises, &format!("{line}{end}"), &text);
        assert_eq!(code, 0, "{out}{err}");
        let told = "warning: 3 new accounts have no password and cannot sign in yet: franking account password \
                    new1@contoso.example makes one and shows it once";
        assert!(out.contains(told), "{out}");
    }
    let licences = |name: &str| {
        let (_, out, _) = typed(&premises, &format!("franking recipient show {name} --json"), "");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        json["properties"]["licences"].to_string()
    };
    assert_eq!(licences("new1"), "[\"ExchangeOnlinePlan2\"]");
    assert_eq!(licences("new3"), "[\"ExchangeOnlineKiosk\"]");
    assert_eq!([licences("new4"), licences("new5")], ["null", "null"]);
}

#[test]
fn what_a_device_is_bound_to_grows_by_one_more() {
    let premises = InMemory::contoso();
    let add = "franking device add alice scan --network 192.168.10.0/24 --sender alice@contoso.example";
    assert_eq!(typed(&premises, add, "").0, 0);
    let set = "franking device set alice scan --add-network 10.0.0.7 --add-sender info@contoso.example";
    assert_eq!(typed(&premises, set, "").0, 0);
    let (_, out, _) = typed(&premises, "franking device show alice scan", "");
    assert!(out.contains("networks: 192.168.10.0/24, 10.0.0.7"), "{out}");
    assert!(out.contains("senders: alice@contoso.example, info@contoso.example"), "{out}");
    // One more than everybody would be one alone.
    let (code, _, err) = typed(&premises, "franking device set alice scan --add-recipient inside", "");
    assert_eq!(code, 1);
    assert!(err.contains("not bound to any recipient"), "{err}");
}
