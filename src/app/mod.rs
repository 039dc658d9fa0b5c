//! Puts everything together, in sight and in order; decides nothing.

mod certificates;
mod contents;
mod counts;
pub mod data;
pub mod demo;
mod desks;
pub mod ephemeral;
mod guide;
mod intake;
mod issuers;
mod keys;
mod logging;
mod mailboxes;
mod outbound;
mod premises;
mod quotas;
mod ready;
pub mod rehearse;
mod reload;
pub mod routes;
pub mod serve;
mod sign_ins;
mod signals;
mod steward;
pub mod stores;
mod trace;
mod transport;
mod way_out;

use core::time::Duration;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use crate::admin::cli::{Cli, Outcome, Settled, run};
use crate::world::processors::Processors;
use demo::DemoOptions;
use ephemeral::EphemeralOptions;
use ready::Ready;
use serve::{ServeError, ServeOptions, Server, WayOut};
use stores::World;

/// What the process answers when a server could not be started or served.
const FAILED: u8 = 1;

/// The whole program: reads the command line, carries it out, and gives the exit code that `franking --help` lists.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (mut stdin, mut stdout, mut stderr) = (std::io::stdin().lock(), std::io::stdout(), std::io::stderr());
    let outcome = run(cli, &premises::Program, &mut stdin, &mut stdout, &mut stderr);
    let logged = logging::Logged;
    let ended = match outcome {
        Outcome::Exit(code) => return ExitCode::from(code),
        Outcome::Serve(_, settled) => serve_settled(*settled).map_err(|error| error.to_string()),
        Outcome::Ephemeral(args, global) => {
            let options = EphemeralOptions {
                config: global.config,
                socket: global.socket,
                directory: args.directory,
                faults: args.faults,
                certificates: args.certs,
                anywhere: args.anywhere,
                until_stdin_closes: args.until_stdin_closes,
                json: global.json,
            };
            ephemeral::run(&options).map_err(|error| error.to_string())
        }
        Outcome::Demo(args, global) => {
            let options = DemoOptions {
                address: args.listen,
                inbound_port: args.inbound_port,
                submission_port: args.submission_port,
                submissions_port: args.submissions_port,
                data: global.data,
                certificates: args.certs,
                faults: args.faults,
                until_stdin_closes: args.until_stdin_closes,
                json: global.json,
            };
            demo::run(&options).map_err(|error| error.to_string())
        }
    };
    // Before the last words.
    drop(logged);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("franking: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn serve_settled(settled: Settled) -> Result<(), ServeError> {
    let Settled { path, config, socket, json } = settled;
    logging::start(config.log, Some(config.log.format));
    let options = ServeOptions {
        way_out: WayOut::Relay,
        certificates: config.data.join("certs"),
        socket: Some(socket),
        configuration: path,
    };
    let world = World::of_the_system()?;
    let runtime = runtime()?;
    let server = {
        let _inside = runtime.enter();
        Server::prepare(world, config, &options)?
    };
    if json {
        let listeners = server.bound();
        let data = server.stores().data.root();
        let mailboxes = server.stores().mailboxes.root();
        let authority = data.join("certs").join("ca.pem");
        let socket = server.socket();
        ready::announce(&Ready { listeners: &listeners, data, mailboxes, outbox: None, socket, authority })?;
    }
    runtime.block_on(server.run());
    Ok(())
}

/// The runtime that everything asynchronous runs on: a thread for each processor, and those that block beside them.
fn runtime() -> std::io::Result<Runtime> {
    // A machine that has not begun a thread by then has other troubles; all that is lost is which thread runs where.
    const PATIENCE: Duration = Duration::from_secs(1);
    let workers = available_parallelism().map_or(1, usize::from);
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name("franking").worker_threads(workers);
    let Some(processors) = Processors::one_each(workers).map(Arc::new) else { return builder.build() };
    let dealt = Arc::clone(&processors);
    let runtime = builder.on_thread_start(move || dealt.settle()).build()?;
    if !processors.wait_until_dealt(PATIENCE) {
        tracing::debug!("a thread for sessions has not begun yet");
    }
    Ok(runtime)
}
