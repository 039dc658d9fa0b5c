//! What a configuration may say, and what is said about one that may not.

use super::*;
use crate::model::directory::lifecycle::life::Periods;
use crate::model::policy::lockout::Rules;
use crate::model::policy::settings::Wording;
use crate::model::policy::traffic;
use crate::world::secret::SecretSource;
use proptest::prelude::*;

mod acme;
mod connectors;
mod issuers;
mod listeners;
mod outbound;
mod uplink;

const FILE: &str = "/etc/franking/franking.toml";

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new(FILE))
}

/// The one problem of `text`, without the file's name.
#[track_caller]
fn problem(text: &str) -> String {
    let errors = parse(text).expect_err(text);
    assert_eq!(errors.0.len(), 1, "{errors}");
    errors.to_string().strip_prefix(FILE).unwrap_or("no file").to_owned()
}

#[test]
fn an_empty_file_is_a_whole_configuration() {
    let config = parse("").unwrap();
    assert_eq!(config.settings, Settings::of(Profile::ExchangeOnline));
    assert_eq!(config.data, Path::new("/var/lib/franking"));
    let ports: Vec<u16> = config.listeners.iter().map(|listener| listener.address.port()).collect();
    assert_eq!(ports, [587, 465, 25]);
    assert!(config.listeners.iter().all(|listener| listener.clear_text_networks.is_empty()));
    assert_eq!(config.limits.sessions_per_address_max, 20);
    assert_eq!((config.emulate, config.drain), (None, Duration::from_secs(30)));
    assert_eq!((config.routes.iter().count(), config.queue.outbound.messages_per_connection), (0, 20));
    assert_eq!(config.queue.expiry, Duration::from_secs(86_400));
    let transport = config.transport;
    assert!(transport.mta_sts && !transport.dane && transport.name_servers.is_empty());
    assert_eq!((config.timeouts, config.queue.free_bytes_min), (Patience::USUAL, 256 << 20));
}

const WHOLE: &str = r#"
hostname = "MX.contoso.example"
data = "data"
profile = "exchange-server"
emulate = "exchange-online"
drain_seconds = 5

[policy]
mailbox_required = true
no_mailbox_step = "mail-from"
shared_sign_in = "unblocked"
send_as_denied = "exchange-online"
unknown_recipient = "exchange-online"
relay_refused = "exchange-online"
hop_limit_reached = "exchange-online"
restriction_refused = "exchange-online"
refuse_early = true
recipient_validation = true
large_group_limits = true
repair_from = true
sent_items_copy = true
address_policies_for_all = false
message_bytes_max = 1000000
recipients_max = 100
hops_max = 30
moderation_expiry_seconds = 3600

[[listener]]
address = "[::1]:465"

[[listener]]
address = "192.168.10.1:2525"
role = "submission"
tls = "none"
auth_without_tls = true
networks = ["192.168.10.0/24", "fd00::/8"]

[[listener]]
address = "0.0.0.0:25"
role = "inbound"
tls = "none"

[tls]
certificate = ["a.pem", "/b.pem"]
key = ["a.key", "/b.key"]

[limits]
lockout_failures = 3
lockout_source_failures = 0
lockout_window_seconds = 60
lockout_seconds = 10
lockout_seconds_max = 40
lockout_delay_seconds = 2
lockout_exempt = ["192.0.2.0/24"]
refused_recipients_max = 7
tarpit_seconds = 3
refused_recipients_per_hour = 11
connections_per_minute = 12
inbound_messages_per_minute = 0
network_exempt = ["192.0.2.0/24"]
external_recipients_per_hour = 13
external_recipients_per_day = 14
sessions_max = 100
sessions_per_address_max = 5
command_timeout_seconds = 10
data_timeout_seconds = 20
handshake_timeout_seconds = 3

[relay]
smart_host = "smtp.fabrikam.example"
port = 2587
tls = "implicit"
login = "relay"
password_file = "relay.secret"
mta_sts = false
dane = true
name_servers = ["127.0.0.1", "[2001:db8::53]:5353"]
trust_ad = true
authorities = "ca.pem"

[relay.timeouts]
connect_seconds = 1
greeting_seconds = 2
command_seconds = 3
tls_seconds = 4
data_start_seconds = 5
data_block_seconds = 6
data_end_seconds = 7

[queue]
retry_seconds = [1, 2]
expiry_seconds = 100
delay_notice_seconds = 50
free_bytes_min = 2000000
free_files_min = 20
connections_per_destination = 3
connections_max = 30
recipients_per_transaction = 200
messages_per_connection = 7
connection_idle_seconds = 0

[[route]]
domains = ["Fabrikam.example", "*.fabrikam.example"]
host = "[192.0.2.7]"
tls = "none"
port = 26

[[route]]
domains = ["bank.example"]
tls = "verified-mx"

[lifecycle]
disconnected_days = 7

[trace]
days = 30
bytes_max = 50000000

[log]
format = "json"
level = "debug"
"#;

fn way(config: &Config, domain: &str) -> Option<(String, RouteWay)> {
    let found = config.routes.find(None, &Domain::parse(domain).unwrap());
    found.map(|(pattern, way)| (pattern.to_string(), way.clone()))
}

fn host(name: &str, port: u16, tls: RelayTls, credentials: Option<(String, PathBuf)>) -> RouteWay {
    let credentials = credentials
        .map(|(login, file)| RelayCredentials { login, proof: RelayProof::Password(SecretSource::File(file)) });
    RouteWay::Host(SmartHost {
        host: Domain::parse(name).unwrap(),
        port,
        tls,
        credentials,
        certificate: None,
        rewrite_sender: None,
        connections_max: None,
    })
}

#[test]
fn every_key_reaches_the_configuration() {
    let config = parse(WHOLE).unwrap();
    let plain = parse("profile = \"exchange-server\"").unwrap();
    assert_eq!(config.hostname.name(), Some("mx.contoso.example"));
    assert_eq!(config.data, Path::new("/etc/franking/data"));
    let settings = &config.settings;
    assert!(settings.mailbox_required && settings.refuse_early && settings.repair_from && settings.sent_items_copy);
    assert_eq!(settings.send_as_denied, Wording::ExchangeOnline);
    assert_eq!((settings.message_bytes_max, settings.recipients_max, settings.hops_max), (1_000_000, 100, 30));
    assert_eq!(settings.moderation_expiry, Duration::from_secs(3600));
    // Every override differs from its profile, so a key that went astray would show.
    assert_ne!(settings.unknown_recipient, plain.settings.unknown_recipient);
    assert_ne!(settings.relay_refused, plain.settings.relay_refused);
    assert_ne!(settings.hop_limit_reached, plain.settings.hop_limit_reached);
    assert_ne!(settings.large_group_limits, plain.settings.large_group_limits);
    assert_ne!(settings.restriction_refused, plain.settings.restriction_refused);
    assert_ne!(settings.no_mailbox_step, plain.settings.no_mailbox_step);
    assert_ne!(settings.shared_sign_in, plain.settings.shared_sign_in);
    assert_ne!(settings.address_policies_for_all, plain.settings.address_policies_for_all);
    assert_ne!(settings.recipient_validation, plain.settings.recipient_validation);
    let tls: Vec<_> = config.listeners.iter().map(|listener| listener.tls).collect();
    assert_eq!(tls, [ListenerTls::Implicit, ListenerTls::None, ListenerTls::None]);
    assert_eq!(config.listeners[1].clear_text_networks.len(), 2);
    assert_eq!(config.certificates[0].key, Path::new("/etc/franking/a.key"));
    assert_eq!(config.certificates[1].certificate, Path::new("/b.pem"));
    let limits = config.limits;
    assert_eq!((limits.sessions_max, limits.sessions_per_address_max), (100, 5));
    assert_eq!(limits.command_timeout + limits.data_timeout + limits.handshake_timeout, Duration::from_secs(33));
    let secret = PathBuf::from("/etc/franking/relay.secret");
    let relay = host("smtp.fabrikam.example", 2587, RelayTls::Implicit, Some(("relay".to_owned(), secret)));
    assert_eq!(way(&config, "adatum.example"), Some(("*".to_owned(), relay)));
    let route = host("[192.0.2.7]", 26, RelayTls::None, None);
    assert_eq!(way(&config, "fabrikam.example"), Some(("fabrikam.example".to_owned(), route.clone())));
    assert_eq!(way(&config, "a.fabrikam.example"), Some(("*.fabrikam.example".to_owned(), route)));
    let verified = RouteWay::Exchangers { verified: true };
    assert_eq!(way(&config, "bank.example"), Some(("bank.example".to_owned(), verified)));
    let outbound = OutboundConfig {
        connections_per_destination: 3,
        connections_max: 30,
        recipients_per_transaction: 200,
        messages_per_connection: 7,
        connection_idle: Duration::ZERO,
    };
    assert_eq!(config.queue.outbound, outbound);
    let transport = config.transport;
    assert_eq!((transport.mta_sts, transport.dane), (false, true));
    assert_eq!(transport.name_servers, ["127.0.0.1:53", "[2001:db8::53]:5353"].map(|text| text.parse().unwrap()));
    assert_eq!(transport.authorities, Some(PathBuf::from("/etc/franking/ca.pem")));
    assert_eq!(config.queue.retry_delays, [1, 2].map(Duration::from_secs));
    assert_eq!((config.queue.expiry.as_secs(), config.queue.delay_notice.as_secs()), (100, 50));
    assert_eq!((config.queue.free_bytes_min, config.queue.free_files_min), (2_000_000, 20));
    let Rules { failures, source_failures, window, first, longest, delay, exempt } = config.settings.lockout.clone();
    assert_eq!((failures, source_failures, exempt.len()), (Some(3), None, 1));
    assert_eq!([window, first, longest, delay].map(|own| own.as_secs()), [60, 10, 40, 2]);
    assert_eq!((config.limits.refused_recipients_max, config.limits.tarpit.as_secs()), (7, 3));
    let Patience { connect, greeting, command, tls, data_start, data_block, data_end } = config.timeouts;
    let timeouts = [connect, greeting, command, tls, data_start, data_block, data_end];
    assert_eq!(timeouts, [1, 2, 3, 4, 5, 6, 7].map(Duration::from_secs));
    assert_eq!(config.settings.periods.disconnected, Duration::from_secs(7 * 86_400));
    assert_eq!(Periods { disconnected: Periods::USUAL.disconnected, ..config.settings.periods }, Periods::USUAL);
    assert_eq!(config.trace, TraceConfig { days: 30, bytes_max: 50_000_000 });
    assert_eq!(plain.trace, TraceConfig { days: 90, bytes_max: 1 << 30 });
    assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: LogLevel::Debug });
    assert_eq!((config.emulate, config.drain), (Some(Emulate::ExchangeOnline), Duration::from_secs(5)));
}

#[test]
fn every_bound_of_networks_and_accounts_reaches_it() {
    let config = parse(WHOLE).unwrap();
    let exempt = Some(vec!["192.0.2.0/24".parse().unwrap()]);
    let traffic = traffic::Rules {
        refused_recipients_per_hour: Some(11),
        connections_per_minute: Some(12),
        messages_per_minute: None,
        exempt,
    };
    assert_eq!(config.settings.traffic, traffic);
    let accounts = config.settings.limits;
    assert_eq!((accounts.external_recipients_per_hour, accounts.external_recipients_per_day), (Some(13), Some(14)));
}

#[test]
fn a_problem_names_line_key_and_cure() {
    for (text, said) in [
        ("hostnam = \"a\"", ":1: hostnam: unknown key `hostnam`; did you mean `hostname`?"),
        (
            "\n[policy]\nrefuse_erly = true",
            ":3: policy.refuse_erly: unknown key `refuse_erly`; did you mean `refuse_early`?",
        ),
        ("[log]\nlevel = \"wran\"", ":2: log.level: unknown value `wran`; did you mean `warn`?"),
        ("[log]\ncolour = 1", ":2: log.colour: unknown key `colour`; known here: format, level"),
        ("drain_seconds = \"5\"", ":1: drain_seconds: invalid type: string \"5\", expected u64"),
        ("[[listener]]\naddress = \"a:25\"\n[[listener]]\naddress = \"localhost\"", ""),
        (
            "[limits]\nsessions_max = 0",
            ":2: limits.sessions_max: 0 is out of range; give a number from 1 to 1000000000; the default is 5000",
        ),
        (
            "[queue]\nfree_bytes_min = 5",
            ":2: queue.free_bytes_min: 5 is out of range; give a number from 1048576 to 1024000000000; the default is \
             268435456",
        ),
        (
            "[relay.timeouts]\ndata_end_seconds = 601",
            ":2: relay.timeouts.data_end_seconds: 601 is out of range; give a number from 1 to 600; the default is 600",
        ),
        ("[relay.timeouts]\nhelo_seconds = 1", ""),
        ("hostname = \"a b\"", ""),
        (
            "[tls]\ncertificate = [\"a\"]",
            ":2: tls.certificate: 1 certificates and 0 keys; give one key for each certificate, in the same order",
        ),
        (
            "[queue]\nretry_seconds = []",
            ":2: queue.retry_seconds: no delay at all; give at least one, for example [60, 300, 1800]",
        ),
        (
            "[relay]\nlogin = \"a\"",
            ":2: relay.login: has no effect without smart_host; name the host, or remove the key",
        ),
    ] {
        let errors = parse(text).unwrap_err();
        let shown = errors.to_string();
        if said.is_empty() {
            assert!(errors.0.iter().all(|error| error.line.is_some() && !error.cure.is_empty()), "{shown}");
        } else {
            assert_eq!(shown, format!("{FILE}{said}"));
        }
    }
}

#[test]
fn all_problems_are_named_at_once_in_the_order_of_the_file() {
    let text =
        "hostname = \"\"\n[queue]\nexpiry_seconds = 1\ndelay_notice_seconds = 999999999\n[limits]\nsessions_max = 0\n";
    let errors = parse(text).unwrap_err();
    let lines: Vec<_> = errors.0.iter().filter_map(|error| error.line).collect();
    assert!(lines.is_sorted() && lines.len() >= 4, "{errors}");
    assert_eq!(errors.to_string().lines().count(), errors.0.len());
}

#[test]
fn connections_are_bounded_within_reason() {
    for (text, said) in [
        ("connections_max = 0", ":2: queue.connections_max: 0 is out of range; give a number from 1 to 10000"),
        ("connections_per_destination = 1001", ":2: queue.connections_per_destination: 1001 is out of range"),
        ("recipients_per_transaction = 0", ":2: queue.recipients_per_transaction: 0 is out of range"),
        ("messages_per_connection = 0", ":2: queue.messages_per_connection: 0 is out of range"),
        ("connection_idle_seconds = 61", ":2: queue.connection_idle_seconds: 61 is out of range"),
    ] {
        let errors = parse(&format!("[queue]\n{text}")).unwrap_err().to_string();
        assert!(errors.starts_with(&format!("{FILE}{said}")), "{errors}");
    }
    let more = "[queue]\nconnections_per_destination = 6\nconnections_max = 5";
    let said = ":2: queue.connections_per_destination: one destination may not have more connections than there are";
    assert!(problem(more).starts_with(said), "{}", problem(more));
    let few = parse("[queue]\nconnections_max = 2").unwrap().queue.outbound;
    assert_eq!((few.connections_per_destination, few.connections_max), (2, 2));
}

#[test]
fn one_address_is_listened_on_once() {
    let twice = "[[listener]]\naddress = \"127.0.0.1:25\"\n[[listener]]\naddress = \"127.0.0.1:25\"";
    assert!(problem(twice).starts_with(":4: listener[2].address: 127.0.0.1:25 is listened on twice"));
    assert!(parse(&twice.replace(":25", ":0")).is_ok());
}

#[test]
fn files_that_cannot_be_read_are_named_with_their_cure() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("franking.toml");
    let said = |path: &Path| Config::load(path).unwrap_err().to_string();
    assert!(said(&path).contains("cannot be read"), "{}", said(&path));
    std::fs::write(&path, b"# fine\nhostname = \"\xff\"").unwrap();
    assert!(said(&path).contains("is not UTF-8 (line 2)"), "{}", said(&path));
    std::fs::write(&path, "#".repeat(CONFIG_BYTES_MAX + 1)).unwrap();
    assert!(said(&path).contains("larger than"), "{}", said(&path));
    std::fs::write(&path, "#".repeat(CONFIG_BYTES_MAX)).unwrap();
    assert!(Config::load(&path).is_ok());
    std::fs::write(&path, "data = \"mail\"").unwrap();
    assert_eq!(Config::load(&path).unwrap().data, directory.path().join("mail"));
}

#[test]
fn reports_cannot_write_on_the_terminal() {
    for text in
        ["\"\\u001b[2J\\r\\n\\u202e\" = 1", "hostname = \"\\u001b[2J\\r\\n\\u202eevil\"", "log.level = \"\\u001b]0;x\""]
    {
        let said = parse(text).unwrap_err().to_string();
        assert!(said.chars().all(|character| matches!(character, ' '..='~')), "{said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.to_string().contains('\n') || errors.0.len() > 1);
        }
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        place in 0..WHOLE.len(),
        width in 0_usize..20,
        insert in "[\\[\\]{}=\"'.,#a-z0-9\\n\u{e9}-]{0,8}",
    ) {
        let boundary = |place: usize| WHOLE.floor_char_boundary(place.min(WHOLE.len()));
        let (start, end) = (boundary(place), boundary(place + width));
        let text = format!("{}{insert}{}", &WHOLE[..start], &WHOLE[end..]);
        if let Err(errors) = parse(&text) {
            prop_assert!(errors.0.iter().all(|error| error.line.is_none_or(|line| line <= text.lines().count() + 1)));
        }
    }
}
