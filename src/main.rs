//! The `franking` program: hands the command line to `app`.

use clap::Parser;
use std::process::ExitCode;
#[derive(Parser)]
struct Cli {
    command: String,
    #[arg(long)]
    data: Option<std::path::PathBuf>,
    #[arg(long, default_value = "certs")]
    certs: std::path::PathBuf,
    #[arg(long, default_value_t = 2525)]
    inbound_port: u16,
    #[arg(long, default_value_t = 2587)]
    submission_port: u16,
    #[arg(long, default_value_t = 2465)]
    submissions_port: u16,
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = franking::app::demo::DemoOptions {
        data: cli.data,
        certificates: cli.certs,
        inbound_port: cli.inbound_port,
        submission_port: cli.submission_port,
        submissions_port: cli.submissions_port,
        json: cli.json,
        ..Default::default()
    };
    match franking::app::demo::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("franking: {error}");
            ExitCode::FAILURE
        }
    }
}
