//! `onnet generate`: manual pages and shell completions, from the same source as `--help`.

use super::{Answer, Output, plugin::Plugin};
use crate::cli::{Cli, EXAMPLES, STABLE};
use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The directory; created if it does not exist.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &GenerateArgs) -> Answer {
    generate(&args.directory)?;
    Ok(Output::success(String::new()))
}

/// Writes `man1/*.1` and `completions/*` below a directory, which is created if it does not exist.
fn generate(directory: &Path) -> io::Result<()> {
    let (pages, completions) = (directory.join("man1"), directory.join("completions"));
    for directory in [&pages, &completions] {
        fs::create_dir_all(directory).map_err(at(directory))?;
    }
    // No manual page for `onnet help`: the pages replace it.
    let mut onnet = Cli::command().disable_help_subcommand(true);
    onnet.build();
    for command in std::iter::once(&onnet).chain(visible(&onnet)).chain([&Plugin::command()]) {
        let page = Man::new(command.clone()).manual("onnet");
        let file = pages.join(page.get_filename());
        File::create(&file).and_then(|mut out| write(&page, command, &mut out)).map_err(at(&file))?;
    }
    for &shell in Shell::value_variants() {
        clap_complete::generate_to(shell, &mut Cli::command(), "onnet", &completions).map_err(at(&completions))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn write(page: &Man, command: &Command, out: &mut File) -> io::Result<()> {
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    let mut rest = Roff::new();
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
        let examples = EXAMPLES.lines().skip(1).map(|line| line.strip_prefix("  ").unwrap_or(line));
        verbatim(&mut rest, "EXAMPLES", examples);
        let files = [
            "/etc/onnet/onnet.env",
            "    the settings of onnet.service; each is a variable that the options name",
            "/usr/share/doc/onnet, /usr/share/onnet",
            "    what it means; alerts, a dashboard and definitions for monitoring systems",
        ];
        verbatim(&mut rest, "FILES", files);
    }
    verbatim(&mut rest, "EXIT STATUS", STABLE.lines().skip(1).take_while(|line| !line.is_empty()));
    if command.has_subcommands() {
        verbatim(&mut rest, "STABILITY", STABLE.lines().skip_while(|line| !line.is_empty()).skip(1));
        rest.control("SH", ["SEE ALSO"]);
        let others = visible(command).map(|command| format!("onnet-{}(1)", command.get_name()));
        rest.text([roman(others.chain(["check_onnet(1)".to_owned()]).collect::<Vec<_>>().join(", "))]);
    } else {
        rest.control("SH", ["SEE ALSO"]);
        rest.text([roman("onnet(1)")]);
    }
    rest.to_writer(out)
}

/// A section whose lines are not reflowed.
fn verbatim<'a>(page: &mut Roff, heading: &str, lines: impl IntoIterator<Item = &'a str>) {
    page.control("SH", [heading]);
    page.control("nf", []);
    for line in lines {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}
