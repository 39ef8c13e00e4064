//! Settings as flags and environment variables.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::environment::Environment;
use super::layers::{Layers, Raw, Source};
use super::secrets::settings_in_files;
use super::setting::{Arity, DATABASE_URL, SETTINGS, Setting};
use super::{Config, Error, read};

const CONFIG: &str = "config";
const STORAGE_URL: &str = "storage_url";

/// Every setting, and `--config`.
#[derive(Debug, Clone)]
pub struct ConfigArgs(Given);

/// `--data-dir` and `--config`, for commands that look for a server's credentials on this machine.
#[derive(Debug, Clone)]
pub struct DataDirArgs(Given);

/// `--data-dir`, `--database-url` and `--config`, for commands that open the store beside the servers.
#[derive(Debug, Clone)]
pub struct StoreArgs(Given);

/// The same and `--storage-url`, for commands that move or copy an installation.
#[derive(Debug, Clone)]
pub struct PlacesArgs(Given);

/// `--database-url`, for a command that asks a server unless it is told of a database. Its parent has [`DataDirArgs`].
#[derive(Debug, Clone)]
pub struct DatabaseArgs(Given);

/// What the command line and the environment say.
#[derive(Debug, Clone)]
struct Given {
    file: Option<PathBuf>,
    values: Vec<Raw>,
}

impl ConfigArgs {
    /// All values with their origins.
    ///
    /// # Errors
    /// When the file cannot be used, and when a variable of the environment means nothing.
    pub fn layers(self, environment: &Environment) -> Result<Layers, Error> {
        self.0.layers(environment)
    }

    /// The configuration that is in force.
    ///
    /// # Errors
    /// When a value cannot be used.
    pub fn config(self, environment: &Environment) -> Result<Config, Error> {
        Config::read(&self.layers(environment)?, environment)
    }
}

impl DataDirArgs {
    /// Where a server keeps its data that is started the same way.
    ///
    /// # Errors
    /// When the configuration file cannot be used, or no home directory is known.
    pub fn data_dir(self, environment: &Environment) -> Result<PathBuf, Error> {
        read::data_dir(&Layers::load(self.0.file.as_deref(), self.0.values)?, environment)
    }
}

impl StoreArgs {
    /// The values that concern the store, with their origins.
    ///
    /// # Errors
    /// As [`ConfigArgs::layers`].
    pub fn layers(self, environment: &Environment) -> Result<Layers, Error> {
        self.0.layers(environment)
    }
}

impl PlacesArgs {
    /// The values that concern the store and the files, with their origins.
    ///
    /// # Errors
    /// As [`ConfigArgs::layers`].
    pub fn layers(self, environment: &Environment) -> Result<Layers, Error> {
        self.0.layers(environment)
    }
}

impl DatabaseArgs {
    /// The values that concern the database, with their origins.
    ///
    /// # Errors
    /// As [`ConfigArgs::layers`].
    pub fn layers(self, environment: &Environment) -> Result<Layers, Error> {
        self.0.layers(environment)
    }
}

impl Given {
    fn find(matches: &ArgMatches, concerned: fn(&Setting) -> bool) -> Self {
        let settings = SETTINGS.iter().filter(|setting| concerned(setting));
        let values = settings.filter_map(|setting| given(matches, setting)).collect();
        Self { file: matches.get_one(CONFIG).cloned(), values }
    }

    fn layers(mut self, environment: &Environment) -> Result<Layers, Error> {
        environment.refuse_unknown()?;
        self.values.extend(settings_in_files(environment)?);
        Layers::load(self.file.as_deref(), self.values)
    }
}

/// Makes arguments of the settings that `$concerned` chooses, after others. `$shape` says how each looks.
macro_rules! arguments {
    ($name:ident, $others:expr, $concerned:expr, $shape:expr) => {
        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                let settings = SETTINGS.iter().filter(|setting| $concerned(setting)).map(arg);
                $others.into_iter().chain(settings).map($shape).fold(command, Command::arg)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(Given::find(matches, $concerned)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

arguments!(ConfigArgs, [config_arg()], concerns_server, std::convert::identity);
arguments!(DataDirArgs, [config_arg()], concerns_credentials, beside_a_server);
arguments!(StoreArgs, [config_arg()], concerns_store, beside_a_server);
arguments!(PlacesArgs, [config_arg()], concerns_places, beside_a_server);
arguments!(DatabaseArgs, [], concerns_database, in_place_of_a_server);

fn concerns_server(_: &Setting) -> bool {
    true
}

fn concerns_credentials(setting: &Setting) -> bool {
    setting.key == "data_dir"
}

fn concerns_store(setting: &Setting) -> bool {
    matches!(
        setting.key,
        "data_dir" | "database_url" | "database_connections" | "username" | "secret_key_file"
    )
}

fn concerns_database(setting: &Setting) -> bool {
    setting.key != "data_dir" && concerns_store(setting)
}

fn concerns_places(setting: &Setting) -> bool {
    setting.key == STORAGE_URL || concerns_store(setting)
}

/// Where data is, is what people name; the rest follows from the configuration file, as for the server.
fn beside_a_server(arg: Arg) -> Arg {
    let shown = ["data_dir", DATABASE_URL, STORAGE_URL].contains(&arg.get_id().as_str());
    arg.global(true).hide(!shown).help_heading("Server")
}

fn in_place_of_a_server(arg: Arg) -> Arg {
    let shown = arg.get_id() == DATABASE_URL;
    arg.hide(!shown).help_heading("Server")
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
        Arity::Lines => arg.action(ArgAction::Append).value_delimiter('\n'),
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
