//! The `onnet` command: parse, run one command, print. The exit code is the verdict.

mod cli;
mod commands;
mod log;
mod terminal;

use clap::Parser;
use cli::{Cli, Command};
use commands::{
    Answer, Output, audit, check, explain, explain_finding, fleet, generate, judge, plugin, policy, publish,
    resolve_names, run, schema, status,
};
use onnet::observe::seen::chain;
use std::process::ExitCode;

fn main() -> ExitCode {
    terminal::report_panics();
    if plugin::is_called(std::env::args_os().next().as_deref()) {
        return plugin::main();
    }
    let answered = if resolve_names::is_called(std::env::args_os()) {
        resolve_names::run()
    } else {
        match Cli::try_parse() {
            Ok(cli) => log::start(&cli).and_then(|()| dispatch(&cli.command)),
            Err(error) => return terminal::usage(&error),
        }
    };
    let printed = answered.and_then(|Output { text, code }| {
        terminal::print(&text)?;
        Ok(code)
    });
    match printed {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::print_errors(&chain(&*error));
            ExitCode::from(terminal::ERROR)
        }
    }
}

fn dispatch(command: &Command) -> Answer {
    match command {
        Command::Check(args) => check::run(args),
        Command::Run(args) => run::run(args),
        Command::Status(args) => status::run(args),
        Command::Judge(args) => judge::run(args),
        Command::Explain(args) => explain::run(args),
        Command::ExplainFinding(args) => explain_finding::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Policy(args) => policy::run(args),
        Command::Fleet(args) => fleet::run(args),
        Command::Publish(args) => publish::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Generate(args) => generate::run(args),
    }
}
