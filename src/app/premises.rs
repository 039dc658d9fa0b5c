//! What the command line needs when no server runs: the stores, for this process alone.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::certificates::CertificateCounter;
use super::data::DataDirectory;
use super::desks::{DirectoryCounter, QueueAtRest, QueueCounter};
use super::issuers;
use super::keys::{self, KeyCounter};
use super::mailboxes::{MailboxCounter, MailboxesAtRest};
use super::outbound;
use super::sign_ins::{RestrictionCounter, SignInCounter};
use super::stores::{
    Stores, StoresError, World, open_directory, open_queue, open_restrictions, open_tally, open_trace,
};
use super::trace::TraceCounter;
use crate::admin::backup::Defect;
use crate::admin::cli::Premises;
use crate::admin::office::{Custody, Failure, Office, Progress, Steward};
use crate::config::{Config, IssuerConfig, TokenConfig};
use crate::store::Hands;
use crate::store::accesses::AccessLog;
use crate::store::answered::AnsweredSenders;
use crate::store::directory::{DirectoryStore, OpenError, log_options};
use crate::store::journal::{Journal, JournalError, JournalOptions, Skipped, repair};
use crate::store::live::LiveSettings;
use crate::store::mailbox::MailboxStore;
use crate::store::sign_ins::{LastUses, LockoutStore};
use crate::store::traffic::TrafficStore;
use crate::world::disk::{Disk, RealDisk, runs_as_root};
use crate::world::jws::KeySet;

/// The program itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Program;

impl Premises for Program {
    fn open(&self, config: &Config, path: Option<&Path>) -> Result<Office, Failure> {
        refuse_other_users(&config.data)?;
        let world = World::of_the_system().map_err(unavailable)?;
        let data = DataDirectory::open(&config.data).map_err(|error| unavailable(error.into()))?;
        let directory = open_directory(&world, &data).map_err(unavailable)?;
        let mut settings = config.settings.clone();
        let keys = keys::srs_keys(&data, &*world.random, world.clock.now());
        settings.srs_keys = keys.map_err(|error| unavailable(error.into()))?;
        let settings = Arc::new(LiveSettings::new(settings));
        let (rest, own, policy) = (config.clone(), world.clone(), Arc::clone(&settings));
        let own_directory = Arc::clone(&directory);
        let queue = Arc::new(QueueAtRest::new(move || {
            let data = DataDirectory::open(&rest.data).map_err(|error| error.to_string())?;
            let trace = open_trace(&own, &rest, &data, &own_directory).map_err(|error| error.to_string())?;
            let tally = open_tally(&own, &data);
            let opened = open_queue(&own, &rest, &data, &policy.current(), trace.as_ref(), &tally);
            let (queue, _) = opened.map_err(|error| error.to_string())?;
            Ok(QueueCounter { queue: Arc::new(queue), settings: Arc::clone(&policy), clock: Arc::clone(&own.clock) })
        }));
        let (at_rest, place, hostname) = (world.clone(), data.clone(), config.hostname.to_string());
        let home = hostname.clone();
        let mailboxes = Arc::new(MailboxesAtRest::new(move || mailboxes_at_rest(&at_rest, &place, &hostname)));
        let lockouts = LockoutStore::open(Arc::clone(&world.disk), &data.sign_ins(), Arc::clone(&world.clock));
        let last_uses = LastUses::open(Arc::clone(&world.disk), &data.sign_ins(), Arc::clone(&world.clock));
        Ok(Office {
            directory: Arc::new(DirectoryCounter(directory)),
            keys: Arc::new(KeyCounter::new(&world, &data, &settings)),
            certificates: Arc::new(CertificateCounter::at_rest(&world, config, &data)),
            settings,
            moderation: Arc::<QueueAtRest>::clone(&queue),
            queue,
            contents: Arc::<MailboxesAtRest>::clone(&mailboxes),
            steward: {
                let custody = Arc::<MailboxesAtRest>::clone(&mailboxes) as Arc<dyn Custody>;
                Arc::new(Steward::new(home, custody).remembering(Arc::clone(&world.disk), data.root()))
            },
            mailboxes,
            sign_ins: Arc::new(SignInCounter {
                last_uses: Arc::new(last_uses),
                lockouts: Arc::new(lockouts),
                traffic: Arc::new(TrafficStore::new(Arc::clone(&world.clock))),
            }),
            restrictions: Arc::new(RestrictionCounter {
                restrictions: open_restrictions(&world, &data).map_err(unavailable)?,
                tally: {
                    let (world, data) = (world.clone(), data.clone());
                    Box::new(move || open_tally(&world, &data))
                },
                queue: None,
            }),
            trace: Arc::new(TraceCounter { disk: world.disk, directory: data.trace(), writer: None }),
            clock: world.clock,
            random: world.random,
            data: data.root().to_owned(),
            configuration: path.map(Path::to_owned),
            in_force: Arc::default(),
            rehearsal: None,
        })
    }

    fn examine(&self, data: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Defect>, Failure> {
        refuse_other_users(data)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut defects = Vec::new();
        let step = |what: &str, done| Progress { what: what.to_owned(), done, total: 3 };
        progress(step("reading the directory's change log", 0));
        if data.join("directory").join("log").exists() {
            match DirectoryStore::history(Arc::clone(&disk), &data.join("directory"), &mut |_| {}) {
                Ok(()) => {}
                Err(OpenError::Journal(error)) => defects.push(damage("directory/log", error)?),
                Err(other) => defects.push(Defect { file: "directory/log".to_owned(), problem: other.to_string() }),
            }
        }
        progress(step("reading the queue's journal", 1));
        if data.join("queue").exists()
            && let Err(error) = Journal::open(disk, &data.join("queue"), JournalOptions::new(0), |_, _| {})
        {
            defects.push(damage("queue", error)?);
        }
        progress(step("reading the message trace", 2));
        match crate::store::trace::examine(&RealDisk, &data.join("trace")) {
            Ok(damaged) => defects
                .extend(damaged.into_iter().map(|(file, problem)| Defect { file: format!("trace/{file}"), problem })),
            Err(error) => defects.push(Defect { file: "trace".to_owned(), problem: error.to_string() }),
        }
        progress(step("done", 3));
        Ok(defects)
    }

    fn try_token(&self, config: &Config, token: &TokenConfig) -> Result<(), String> {
        refuse_other_users(&config.data).map_err(|failure| failure.message)?;
        let world = World::of_the_system().map_err(|error| error.to_string())?;
        outbound::try_token(&world, config, token)
    }

    fn try_issuer(&self, config: &Config, issuer: &IssuerConfig) -> Result<KeySet, String> {
        issuers::try_issuer(config, issuer)
    }

    fn repair(&self, data: &Path) -> Result<Vec<Defect>, Failure> {
        refuse_other_users(data)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let salt = World::of_the_system().map_err(unavailable)?.random.next_u64();
        let mut defects = Vec::new();
        for (file, options) in [("directory/log", log_options(salt)), ("queue", JournalOptions::new(salt))] {
            let place = data.join(file);
            if !place.exists() {
                continue;
            }
            match repair(&disk, &place, &options) {
                Ok(skipped) => defects.extend(skipped.iter().map(|skipped| lost(file, skipped))),
                Err(error) => return Err(Failure::unavailable(error.to_string())),
            }
        }
        Ok(defects)
    }
}

fn mailboxes_at_rest(world: &World, data: &DataDirectory, hostname: &str) -> Result<MailboxCounter, String> {
    let (disk, clock) = (Arc::clone(&world.disk), Arc::clone(&world.clock));
    let opened = MailboxStore::open_with(disk, &data.mailboxes(), hostname, 1, Hands::Caller);
    let mailboxes = Arc::new(opened.map_err(|error| error.to_string())?);
    let answered =
        AnsweredSenders::open(Arc::clone(&world.disk), &data.replies()).map_err(|error| error.to_string())?;
    Ok(MailboxCounter {
        mailboxes,
        tally: open_tally(world, data),
        answered: Arc::new(answered),
        accesses: Arc::new(AccessLog::new(Arc::clone(&world.disk), data.audit())),
        clock,
    })
}

/// Where a repair lost something, in words.
fn lost(file: &str, skipped: &Skipped) -> Defect {
    let Skipped { segment, sequences, bytes } = skipped;
    let problem = match sequences.end.saturating_sub(sequences.start) {
        0 => format!("segment {segment}: {bytes} octets without meaning are left out"),
        count => format!("segment {segment}: {count} records from {} on are lost, {bytes} octets", sequences.start),
    };
    Defect { file: file.to_owned(), problem }
}

/// Refuses root, who could open everything and would leave files behind that the server's own user cannot read: the
/// server would not start again. Any other user is refused by the file system itself.
fn refuse_other_users(data: &Path) -> Result<(), Failure> {
    let owner = std::fs::metadata(data).map_or(0, |found| found.uid());
    if owner == 0 || !runs_as_root() {
        return Ok(());
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = name_of(&users, owner).map_or_else(|| format!("#{owner}"), str::to_owned);
    let message = format!("No server runs, and {} belongs to the user {user}, not to root.", data.display());
    Err(Failure::unavailable(message)
        .cured_by(format!("the same as that user: sudo -u '{user}' franking …"))
        .cured_by("or start the server first: commands then reach it through its socket"))
}

/// The name of a user in the text of /etc/passwd (passwd(5): name, password, number, …).
fn name_of(users: &str, number: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then_some(name)
    })
}

/// Damage is a finding; a journal that cannot be looked at is a failure.
fn damage(file: &str, error: JournalError) -> Result<Defect, Failure> {
    match error {
        JournalError::InUse { .. } => Err(Failure::unavailable(error.to_string()).cured_by("stop the server first")),
        JournalError::Io(_)
        | JournalError::Damaged { .. }
        | JournalError::Missing { .. }
        | JournalError::NoRecord(_) => Ok(Defect { file: file.to_owned(), problem: error.to_string() }),
    }
}

fn unavailable(error: StoresError) -> Failure {
    Failure::unavailable(error.to_string())
}

/// The office of a running server.
pub(super) fn office(
    world: &World,
    stores: &Stores,
    certificates: CertificateCounter,
    home: &str,
    configuration: Option<&Path>,
) -> Office {
    let queue = Arc::new(QueueCounter {
        queue: Arc::clone(&stores.queue),
        settings: Arc::clone(&stores.settings),
        clock: Arc::clone(&world.clock),
    });
    let mailboxes = Arc::new(MailboxCounter {
        mailboxes: Arc::clone(&stores.mailboxes),
        tally: Arc::clone(&stores.tally),
        answered: Arc::clone(&stores.answered),
        accesses: Arc::new(AccessLog::new(Arc::clone(&world.disk), stores.data.audit())),
        clock: Arc::clone(&world.clock),
    });
    Office {
        directory: Arc::new(DirectoryCounter(Arc::clone(&stores.directory))),
        settings: Arc::clone(&stores.settings),
        keys: Arc::new(KeyCounter::new(world, &stores.data, &stores.settings)),
        certificates: Arc::new(certificates),
        moderation: Arc::<QueueCounter>::clone(&queue),
        queue,
        contents: Arc::<MailboxCounter>::clone(&mailboxes),
        steward: {
            let custody = Arc::<MailboxCounter>::clone(&mailboxes) as Arc<dyn Custody>;
            Arc::new(Steward::new(home, custody).remembering(Arc::clone(&world.disk), stores.data.root()))
        },
        mailboxes,
        sign_ins: Arc::new(SignInCounter {
            last_uses: Arc::clone(&stores.last_uses),
            lockouts: Arc::clone(&stores.lockouts),
            traffic: Arc::clone(&stores.traffic),
        }),
        restrictions: Arc::new(RestrictionCounter {
            restrictions: Arc::clone(&stores.restrictions),
            tally: {
                let tally = Arc::clone(&stores.tally);
                Box::new(move || Arc::clone(&tally))
            },
            queue: Some(Arc::clone(&stores.queue)),
        }),
        trace: Arc::new(TraceCounter {
            disk: Arc::clone(&world.disk),
            directory: stores.data.trace(),
            writer: stores.trace.clone(),
        }),
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
        data: stores.data.root().to_owned(),
        configuration: configuration.map(Path::to_owned),
        in_force: Arc::default(),
        rehearsal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::office::QueueOrder;
    use crate::model::directory::{Change, Organisation};
    use crate::model::mail::Address;
    use crate::model::policy::{Envelope, MessageParameters};
    use crate::model::queue::{Selection, Suspendable};
    use crate::store::queue::OwnMessage;

    #[test]
    fn what_verification_finds_damaged_the_repair_makes_readable() {
        let place = tempfile::tempdir().unwrap();
        let (world, data) = (World::of_the_system().unwrap(), DataDirectory::open(&place.path().join("data")).unwrap());
        let directory = open_directory(&world, &data).unwrap();
        for name in ["Contoso", "Contoso Ltd", "Contoso AG"] {
            let organisation = Organisation { name: name.into(), ..Organisation::default() };
            let mut plan = |_: &_| Ok(vec![Change::PutOrganisation(organisation.clone())]);
            directory.change("test", &mut plan).unwrap();
        }
        drop(directory);
        let examine = || Program.examine(data.root(), &mut |_| {}).unwrap();
        assert_eq!(examine(), []);
        // One octet in the middle of the first of the three records.
        let segments = std::fs::read_dir(data.directory().join("log")).unwrap().map(|entry| entry.unwrap().path());
        let segment = segments.filter(|path| path.extension().is_some_and(|end| end == "segment")).max().unwrap();
        let mut octets = std::fs::read(&segment).unwrap();
        let middle = octets.windows(7).position(|window| window == b"Contoso").unwrap();
        octets[middle] ^= 1;
        std::fs::write(&segment, octets).unwrap();
        assert_eq!(examine().len(), 1, "{:?}", examine());
        let lost = Program.repair(data.root()).unwrap();
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(lost[0].problem.contains("records from"), "{lost:?}");
        // The log can be read again; that a change is missing in it stays to be told.
        assert!(examine().is_empty(), "{:?}", examine());
        assert_eq!(Program.repair(data.root()).unwrap(), []);
    }

    #[test]
    fn the_queue_of_a_server_that_does_not_run_is_listed_and_obeys() {
        let place = tempfile::tempdir().unwrap();
        let text = format!("hostname = \"mx.contoso.example\"\ndata = \"{}\"\n", place.path().join("data").display());
        let config = Config::parse(&text, Path::new("franking.toml")).unwrap();
        let world = World::of_the_system().unwrap();
        let stores = Stores::open(&world, &config).unwrap();
        let to = Address::parse("partner@fabrikam.example").unwrap();
        let parameters = MessageParameters::default();
        let envelope =
            Envelope::report(&stores.directory.snapshot(), &stores.settings.current(), &to, parameters).unwrap();
        let message = OwnMessage { envelope, content: b"Subject: waits\r\n\r\nx\r\n".to_vec() };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let id = runtime.block_on(stores.queue.commit_own(message)).unwrap().to_string();
        drop(stores);
        let open = || Program.open(&config, None).unwrap().queue;
        let everything = Selection::default();
        let listed = open().list(&everything, None, 10).unwrap().0;
        assert!(listed.len() == 1 && listed[0].id == id, "{listed:?}");
        assert!(open().show(&id).unwrap().is_some());
        let order = |order| open().order(&everything, &order, false, &mut |_, _| {}).unwrap().messages;
        // Not expanded yet, so nothing of it can be tried again; it can be given up.
        assert_eq!(order(QueueOrder::Retry), 0);
        assert_eq!(open().list(&everything, None, 10).unwrap().1, 1);
        let suspended = Suspendable::Sender("@fabrikam.example".parse().unwrap());
        open().suspend(suspended, "they asked").unwrap();
        assert_eq!(open().destinations().unwrap().1[0].reason, "they asked");
        assert_eq!(order(QueueOrder::Remove { silently: true }), 1);
        assert_eq!(open().list(&everything, None, 10).unwrap().1, 0);
    }

    #[test]
    fn a_user_is_named_as_the_system_names_it() {
        let users = "root:x:0:0::/root:/bin/sh\nbroken\nfranking:x:998:998::/var/lib/franking:/usr/sbin/nologin\n";
        assert_eq!(name_of(users, 998), Some("franking"));
        assert_eq!(name_of(users, 99), None);
    }

    #[test]
    fn root_leaves_the_data_of_another_user_alone() {
        let place = tempfile::tempdir().unwrap();
        assert!(refuse_other_users(place.path()).is_ok());
        assert!(refuse_other_users(&place.path().join("not there")).is_ok());
        // Only root can give a directory away, and only root is refused.
        if std::os::unix::fs::chown(place.path(), Some(65_534), None).is_ok() {
            let failure = refuse_other_users(place.path()).unwrap_err();
            assert!(failure.cures.iter().any(|cure| cure.contains("sudo -u")), "{failure}");
        }
    }
}
