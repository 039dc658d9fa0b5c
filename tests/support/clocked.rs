//! The whole server with a clock that stands until a test moves it, as a process of its own: this very test program runs
//! again as a child, which serves until its parent is gone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use franking::app::serve::{ServeOptions, Server, WayOut};
use franking::app::stores::World;
use franking::config::Config;
use franking::model::mail::Timestamp;
use franking::world::ManualClock;

use super::PATIENCE;

/// Tells the child its configuration, and the time at its start.
const CONFIG: &str = "FRANKING_TEST_CONFIG";
const TIME: &str = "FRANKING_TEST_TIME";
const CHILD: &str = "support::clocked::a_server_whose_clock_another_process_moves";

/// A running server. It ends with this value.
#[derive(Debug)]
pub(crate) struct Clocked {
    process: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Clocked {
    /// Starts it with a configuration that says where it listens, at this time (ISO 8601).
    pub(crate) fn start(config: &Path, time: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture"])
            .env(CONFIG, config)
            .env(TIME, time)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, answers) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let orders = process.stdin.take();
        let clocked = Self { process, orders, answers };
        clocked.wait_for("serving");
        clocked
    }

    /// The harness prints its own words before ours.
    fn wait_for(&self, answer: &str) {
        while !self.answers.recv_timeout(PATIENCE).expect("the server with a clock does not answer").ends_with(answer) {
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, days: u64) {
        writeln!(self.orders.as_mut().unwrap(), "{days}").unwrap();
        self.wait_for("moved");
    }
}

impl Drop for Clocked {
    fn drop(&mut self) {
        // Nothing to read any more is the end of its life.
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

#[test]
fn a_server_whose_clock_another_process_moves() {
    let (Some(path), Ok(time)) = (std::env::var_os(CONFIG), std::env::var(TIME)) else { return };
    let path = Path::new(&path);
    let config = Config::load(path).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::parse_iso8601(&time).unwrap()));
    let world = World { clock: Arc::<ManualClock>::clone(&clock), ..World::of_the_system().unwrap() };
    let options = ServeOptions {
        socket: None,
        configuration: Some(path.to_owned()),
        way_out: WayOut::Outbox(config.data.join("outbox")),
        certificates: config.data.join("certs"),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = {
        let _inside = runtime.enter();
        Server::prepare(world, config, &options).unwrap()
    };
    runtime.spawn(server.run());
    println!("serving");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        clock.advance(Duration::from_secs(line.parse::<u64>().unwrap() * 86_400));
        println!("moved");
    }
    std::process::exit(0);
}
