//! Settings as flags and environment variables.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::layers::{Layers, Raw, Source};
use super::setting::{Arity, SETTINGS, Setting};
use super::{Config, Error, Secrets, read};

const CONFIG: &str = "config";

/// Every setting, and `--config`.
#[derive(Debug, Clone)]
pub struct ConfigArgs {
    file: Option<PathBuf>,
    given: Vec<Raw>,
}

/// `--data-dir` and `--config`, for commands that open the database beside a server.
#[derive(Debug, Clone)]
pub struct DataDirArgs(ConfigArgs);

impl ConfigArgs {
    /// All values with their origins.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn layers(self) -> Result<Layers, Error> {
        Layers::load(self.file.as_deref(), self.given)
    }

    /// The configuration that is in force.
    ///
    /// # Errors
    /// When a value cannot be used.
    pub fn config(self) -> Result<Config, Error> {
        Config::read(&self.layers()?, Secrets::from_environment()?)
    }
}

impl DataDirArgs {
    /// Where a server keeps its data that is started the same way.
    ///
    /// # Errors
    /// When the configuration file cannot be used, or no home directory is known.
    pub fn data_dir(self) -> Result<PathBuf, Error> {
        read::data_dir(&self.0.layers()?, &|name| std::env::var_os(name).map(PathBuf::from))
    }

    /// The account whose tokens are meant.
    ///
    /// # Errors
    /// When the configuration file cannot be used.
    pub fn username(&self) -> Result<String, Error> {
        let layers = self.0.clone().layers()?;
        Ok(layers.get("username").map(|raw| raw.texts.concat()).unwrap_or_default())
    }
}

impl Args for ConfigArgs {
    fn augment_args(command: Command) -> Command {
        let command = command.arg(config_arg());
        SETTINGS.iter().fold(command, |command, setting| command.arg(arg(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| given(matches, setting)).collect();
        Ok(Self { file: matches.get_one(CONFIG).cloned(), given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for DataDirArgs {
    fn augment_args(command: Command) -> Command {
        let settings = SETTINGS.iter().filter(|setting| concerns_data(setting));
        // The folder is what people name; the rest follows from the configuration file, as for the server.
        let shown = |setting: &'static Setting| {
            arg(setting).global(true).hide(setting.key != "data_dir").help_heading("Server")
        };
        settings.fold(command.arg(config_arg().global(true).hide(true)), |command, setting| {
            command.arg(shown(setting))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DataDirArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let settings = SETTINGS.iter().filter(|setting| concerns_data(setting));
        let given = settings.filter_map(|setting| given(matches, setting)).collect();
        Ok(Self(ConfigArgs { file: matches.get_one(CONFIG).cloned(), given }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn concerns_data(setting: &Setting) -> bool {
    matches!(setting.key, "data_dir" | "username")
}

fn config_arg() -> Arg {
    Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .env("COGWIRE_CONFIG")
        .hide_env(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("The configuration file, instead of ./cogwire.toml")
}

fn arg(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.value_name)
        .env(setting.variable())
        .hide_env(true)
        .help_heading(setting.heading)
        .help(setting.help);
    match setting.arity {
        Arity::One => arg,
        Arity::Many => arg.action(ArgAction::Append).value_delimiter(','),
        Arity::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

/// What the command line or the environment says. An empty variable counts as absent, as compose files write it.
fn given(matches: &ArgMatches, setting: &'static Setting) -> Option<Raw> {
    let source = match matches.value_source(setting.key)? {
        ValueSource::CommandLine => Source::Flag,
        ValueSource::EnvVariable => Source::Environment,
        _ => return None,
    };
    let texts: Vec<String> = matches.get_many::<String>(setting.key)?.cloned().collect();
    let empty = source == Source::Environment && texts.iter().all(String::is_empty);
    (!empty).then_some(Raw { setting, texts, source })
}
