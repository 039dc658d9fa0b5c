//! Who may sign in to submit, and which obstacle is named first.

use super::super::asked::Asked;
use super::super::cells::{BOTH, PROFILES, sign_in::product, states_of};
use super::super::plain::{KINDS, STATES, Thing, World};
use super::{Sheet, with_codes};

pub(super) fn print(text: &mut String) {
    text.push_str(
        "
## Who may sign in

The account is enabled, its sign-in is not blocked, and the password is right. Accounts of shared, room and equipment
mailboxes are born blocked: this is what an administrator gets who unblocks one. A client that is refused here may try
again in the same session.

",
    );
    objects(text);
    text.push_str(
        "OWA, IMAP, POP, MAPI, ActiveSync and EWS switches change nothing in this table: a mailbox with every app off \
         still\nsubmits. With `no_mailbox_step = \"mail-from\"` the 550 comes as the answer to MAIL FROM instead.\n
### What stands in the way, in order

Each line has the obstacle that it names and every one below it: the first decides.

",
    );
    obstacles(text);
    text.push_str("### The switches\n\n");
    switches(text);
}

fn answer(world: &World, proof: &str) -> String {
    let answers = Asked::new(world).sign_in("it", proof);
    match answers.iter().find(|answer| *answer != "yes") {
        Some(refusal) => with_codes(refusal, world.profile),
        None => "235, may submit".to_owned(),
    }
}

fn objects(text: &mut String) {
    let mut sheet = Sheet::new(&[
        "Type",
        "Licence",
        "State",
        "exchange-online",
        "the same, shared_sign_in = \"unblocked\"",
        "exchange-server",
    ]);
    for kind in KINDS {
        for (state, licensed, ()) in product(states_of(kind), &BOTH, &[()]) {
            let thing = Thing::new("it", kind).with(|thing| {
                thing.state = state;
                thing.licensed = licensed;
            });
            let mut answers = Vec::new();
            for (profile, shared) in
                [("exchange-online", "licensed"), ("exchange-online", "unblocked"), ("exchange-server", "licensed")]
            {
                let world = World::new(profile, vec![thing.clone()]).with(|world| world.shared_sign_in = shared);
                answers.push(answer(&world, "password"));
            }
            let state = if states_of(kind).len() > 1 { state } else { "–" };
            sheet.row(&[kind, if licensed { "yes" } else { "no" }, state], answers);
        }
    }
    sheet.compress(&[2, 1, 0]);
    sheet.print(text, &[&[], &["yes", "no"], &STATES]);
}

fn obstacles(text: &mut String) {
    let names = [
        "nobody has this login, or the password is wrong",
        "the account is disabled, or its sign-in is blocked",
        "security defaults are on, and the client used a password",
        "the authentication policy forbids passwords for SMTP, and the client used one",
        "SmtpClientAuthenticationDisabled of the mailbox is true",
        "SmtpClientAuthenticationDisabled of the organisation is true, and the mailbox does not say false",
        "there is no mailbox to open",
        "nothing",
    ];
    let mut sheet =
        Sheet::new(&["Obstacle", "exchange-online, password", "exchange-online, token", "exchange-server, password"]);
    for (step, name) in names.into_iter().enumerate() {
        let thing = Thing::new("it", "UserMailbox").with(|thing| {
            thing.account = if step <= 1 { "blocked" } else { "enabled" };
            thing.policy = if step <= 3 { "forbids" } else { "unset" };
            thing.switch = if step <= 4 { "true" } else { "unset" };
            thing.licensed = step > 6;
        });
        let mut answers = Vec::new();
        for (profile, proof) in
            [("exchange-online", "password"), ("exchange-online", "token"), ("exchange-server", "password")]
        {
            let world = World::new(profile, vec![thing.clone()]).with(|world| {
                world.security_defaults = step <= 2;
                world.tenant_disables_smtp = step <= 5;
            });
            answers.push(answer(&world, if step == 0 { "wrong" } else { proof }));
        }
        sheet.row(&[name], answers);
    }
    sheet.print(text, &[]);
}

fn switches(text: &mut String) {
    let mut sheet = Sheet::new(&[
        "SmtpClientAuthenticationDisabled of the mailbox",
        "of the organisation",
        "exchange-online",
        "exchange-server",
    ]);
    for (switch, tenant, ()) in product(&["unset", "true", "false"], &BOTH, &[()]) {
        let thing = Thing::new("it", "UserMailbox").with(|thing| thing.switch = switch);
        let worlds = PROFILES
            .map(|profile| World::new(profile, vec![thing.clone()]).with(|world| world.tenant_disables_smtp = tenant));
        let answers = worlds.iter().map(|world| answer(world, "password")).collect();
        sheet.row(&[switch, if tenant { "true" } else { "false" }], answers);
    }
    sheet.compress(&[1, 0]);
    sheet.print(text, &[&["unset", "true", "false"], &["true", "false"]]);
    let mut sheet =
        Sheet::new(&["AllowBasicAuthSmtp of the account's policy", "of the organisation", "password", "token"]);
    for (policy, allowed, ()) in product(&["unset", "allows", "forbids"], &BOTH, &[()]) {
        let thing = Thing::new("it", "UserMailbox").with(|thing| thing.policy = policy);
        let world = World::new("exchange-online", vec![thing]).with(|world| world.tenant_allows_passwords = allowed);
        let answers = ["password", "token"].map(|proof| answer(&world, proof)).to_vec();
        sheet.row(&[policy, if allowed { "true" } else { "false" }], answers);
    }
    sheet.compress(&[1, 0]);
    sheet.print(text, &[&[], &["true", "false"]]);
}
