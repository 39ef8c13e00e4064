//! Environments with real tools, from packages that are on this machine.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use cogwire_package::{CogConfig, Environment, EnvironmentError, Environments, Progress, Request};

use crate::support::{folder, sendable, tool, without_paths};

/// A `PATH` with the Python that the environments for tests were made with, and nothing else.
fn with_pip() -> OsString {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let settings =
            fs::read_to_string(tool("cog-0.23.1").join("pyvenv.cfg")).expect("it is an environment");
        let home = settings.lines().find_map(|line| line.strip_prefix("home = ")).expect("it has a home");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        fs::create_dir_all(&folder).expect("made");
        // Another process may be writing the same.
        let partial = format!("python3.{}", std::process::id());
        fake(&folder, &partial, &format!("exec {home}/python3 \"$@\""));
        fs::rename(folder.join(partial), folder.join("python3")).expect("renamed");
        folder
    });
    FOLDER.clone().into()
}

/// The same Python, and `uv` from this folder. What `uv` itself runs is in the usual places.
fn with(uv: &Path) -> OsString {
    let folders = [Path::new(&with_pip()), uv, Path::new("/usr/bin"), Path::new("/bin")].map(Path::to_owned);
    std::env::join_paths(folders).expect("a path")
}

fn with_uv() -> OsString {
    with(&tool("uv").join("bin"))
}

/// A `cog.yaml` that installs from the packages of this version of Cog, and needs no network.
fn config(version: &str, more: &str) -> CogConfig {
    let wheels = tool(&format!("cog-{version}")).join("wheels");
    let packages = format!("[\"--no-index\", \"--find-links {}\"{more}]", wheels.display());
    CogConfig::parse(&format!("run: run.py:Runner\nbuild:\n  python_packages: {packages}\n")).expect("valid")
}

/// What was said, and what came of it.
async fn prepared(
    root: &Path,
    search_path: OsString,
    config: &CogConfig,
) -> (Result<Environment, EnvironmentError>, Vec<String>) {
    let mut said = Vec::new();
    let environments = Environments::new(root.to_owned(), search_path);
    let request = Request::new(config, root);
    let mut say = |progress: Progress<'_>| said.push(word(progress).to_owned());
    let result = sendable(environments.prepare(&request, &mut say)).await;
    said.dedup();
    (result, said)
}

fn word(progress: Progress<'_>) -> &'static str {
    match progress {
        Progress::Waiting => "waiting",
        Progress::Creating { .. } => "creating",
        Progress::Installing { with } => with,
        Progress::Output(_) => "output",
    }
}

async fn refusal(search_path: OsString, more: &str) -> String {
    let home = folder(&[]);
    let (result, _) = prepared(home.path(), search_path, &config("0.23.1", more)).await;
    without_paths(&result.expect_err("a refusal").to_string(), home.path())
}

/// A program that does this.
fn fake(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("changed");
}

#[tokio::test]
async fn pip_makes_an_environment_once() {
    let home = folder(&[]);
    let config = config("0.23.1", "");
    let (made, said) = prepared(home.path(), with_pip(), &config).await;
    let made = made.expect("made");
    assert_eq!(said, ["creating", "pip", "output"]);
    assert_eq!((made.cog_version.as_str(), made.coglet_version.as_deref()), ("0.23.1", Some("0.23.1")));
    assert!(made.bin.join("python").exists() && made.python.starts_with(home.path().join(&made.key)));

    let (again, said) = prepared(home.path(), with_pip(), &config).await;
    assert_eq!(again.expect("there"), made);
    assert!(said.is_empty(), "nothing is done: {said:?}");
}

#[tokio::test]
async fn two_that_ask_for_one_environment_make_it_once() {
    let home = folder(&[]);
    let config = config("0.18.0", "");
    let ask = || prepared(home.path(), with_uv(), &config);
    let ((first, first_said), (second, second_said)) = tokio::join!(ask(), ask());
    let (first, second) = (first.expect("made"), second.expect("made"));
    assert_eq!(first, second);
    assert_eq!((first.cog_version.as_str(), first.coglet_version.as_deref()), ("0.18.0", Some("0.18.0")));
    let mut said = [first_said, second_said];
    said.sort();
    assert_eq!(said[0], ["creating", "output", "uv", "output"]);
    assert_eq!(said[1], ["waiting"]);
}

#[tokio::test]
async fn the_newest_cog_is_found_by_its_version_afterwards() {
    let home = folder(&[]);
    let config = config("0.18.0", "");
    let (newest, _) = prepared(home.path(), with_uv(), &config).await;
    let newest = newest.expect("made");

    let environments = Environments::new(home.path().to_owned(), with_uv());
    let request = Request { cog: Some("0.18.0"), ..Request::new(&config, home.path()) };
    let mut said = 0;
    let named = environments.prepare(&request, &mut |_| said += 1).await.expect("there");
    assert_eq!(said, 0, "nothing is installed again");
    assert_eq!((named.bin, named.python), (newest.bin, newest.python));
    assert_ne!(named.key, newest.key);
}

#[tokio::test]
async fn the_version_of_cog_is_the_one_that_somebody_named() {
    let home = folder(&[]);
    let environments = Environments::new(home.path().to_owned(), with_uv());
    let old = config("0.16.12", "");
    let request = Request { cog: Some("0.16.12"), ..Request::new(&old, home.path()) };
    let made = environments.prepare(&request, &mut |_| {}).await.expect("made");
    assert_eq!((made.cog_version.as_str(), made.coglet_version), ("0.16.12", None), "it is another server");

    let absent = Request { cog: Some("99"), ..request };
    let refused = environments.prepare(&absent, &mut |_| {}).await.expect_err("there is no such version");
    let EnvironmentError::Install { package, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(package.as_deref(), Some("cog==99"));
}

#[tokio::test]
async fn what_is_half_made_is_made_again() {
    let home = folder(&[("tools/", "")]);
    let config = config("0.23.1", "");
    let tools = home.path().join("tools");
    let begun = tools.join("begun");
    let script = format!("mkdir -p \"$(eval echo \\${{$#}})/bin\"; touch {}; sleep 600", begun.display());
    fake(&tools, "uv", &script);
    tokio::select! {
        (result, _) = prepared(home.path(), with(&tools), &config) => panic!("it hangs: {result:?}"),
        () = async { while !begun.exists() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    let half_made = fs::read_dir(home.path())
        .expect("a folder")
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().join("bin").is_dir()));
    assert_eq!(half_made.count(), 1);
    let (made, said) = prepared(home.path(), with_uv(), &config).await;
    assert_eq!(made.expect("made").cog_version, "0.23.1");
    assert_eq!(said.first().map(String::as_str), Some("creating"), "nobody holds the lock");
}

/// A server that is killed leaves its installer running. The next one must not work in the same folder.
#[tokio::test]
async fn an_installer_that_was_left_behind_keeps_others_out() {
    let home = folder(&[("tools/", "")]);
    let config = config("0.23.1", "");
    let tools = home.path().join("tools");
    let id = tools.join("id");
    // In another group: the rest ends with the one that was started.
    let installer = format!("echo $$ > {0}.part; mv {0}.part {0}; exec sleep 600", id.display());
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", id.display());
    fake(&tools, "uv", &format!("exec 3<&0; setsid sh -c '{installer}' <&3 & {wait}; exit 1"));
    let (failed, _) = prepared(home.path(), with(&tools), &config).await;
    assert!(matches!(failed, Err(EnvironmentError::Create { .. })), "{failed:?}");

    let environments = Environments::new(home.path().to_owned(), with_uv());
    let request = Request::new(&config, home.path());
    let mut said = Vec::new();
    let mut say = |progress: Progress<'_>| {
        said.push(word(progress));
        if progress == Progress::Waiting {
            let id = fs::read_to_string(&id).expect("it was left behind");
            std::process::Command::new("kill").arg(id.trim()).status().expect("killed");
        }
    };
    environments.prepare(&request, &mut say).await.expect("made");
    assert_eq!(said[..2], ["waiting", "creating"]);
}

#[tokio::test]
async fn an_environment_that_was_moved_is_made_again() {
    let home = folder(&[]);
    let config = config("0.23.1", "");
    let (old, new) = (home.path().join("old"), home.path().join("new"));
    prepared(&old, with_uv(), &config).await.0.expect("made");
    fs::rename(&old, &new).expect("moved");
    let (made, said) = prepared(&new, with_uv(), &config).await;
    assert!(made.expect("made").python.starts_with(&new));
    assert_eq!(said.first().map(String::as_str), Some("creating"));
}

/// Somebody who needs the space may leave links to what they remove, or remove a lock.
#[tokio::test]
async fn an_environment_that_was_removed_is_made_again() {
    let home = folder(&[]);
    let config = config("0.18.0", "");
    let (made, _) = prepared(home.path(), with_uv(), &config).await;
    let made = home.path().join(made.expect("made").key);
    fs::remove_dir_all(&made).expect("removed");

    let environments = Environments::new(home.path().to_owned(), with_uv());
    let request = Request { cog: Some("0.18.0"), ..Request::new(&config, home.path()) };
    let named = environments.prepare(&request, &mut |_| {}).await.expect("made");
    assert_eq!(named.python, home.path().join(&named.key).join("bin/python"), "the link is no more");
    assert!(named.python.exists() && !made.exists());

    fs::remove_file(made.with_extension("lock")).expect("removed");
    let (again, said) = prepared(home.path(), with_uv(), &config).await;
    assert!(again.expect("made").python.starts_with(&made));
    assert_eq!(said.first().map(String::as_str), Some("creating"));
}

#[tokio::test]
async fn an_installation_that_takes_too_long_is_stopped() {
    let home = folder(&[("tools/", "")]);
    fake(&home.path().join("tools"), "uv", "echo resolving; sleep 600");
    let search_path = with(&home.path().join("tools"));
    let config = config("0.23.1", "");
    let request = Request { timeout: Duration::from_millis(300), ..Request::new(&config, home.path()) };
    let environments = Environments::new(home.path().join("environments"), search_path);
    let refused = environments.prepare(&request, &mut |_| {}).await.expect_err("too long");
    assert!(
        matches!(&refused, EnvironmentError::Deadline { output, .. } if output == "resolving"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_failing_installation_names_the_package_and_shows_the_output() {
    let refusals = [
        refusal(with_uv(), ", \"no-such-package==1.0\"").await,
        refusal(with_uv(), ", \"cog==99\"").await,
        refusal(with_uv(), ", \"requests ==== 1\"").await,
    ];
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r"Python 3\.\d+\.\d+", "Python VERSION");
        settings.add_filter(r"[0-9a-f]{64}", "KEY");
        settings.add_filter(r"\d+(\.\d+)?m?s\b", "TIME");
        // It counts the length of a path that every run makes anew.
        settings.add_filter(r"at position \d+", "at position POSITION");
        settings
    };
    settings.bind(|| insta::assert_snapshot!(refusals.join("\n---\n")));
}

#[tokio::test]
async fn without_python_there_is_a_sentence() {
    let home = folder(&[("empty/", "")]);
    let (refused, _) = prepared(home.path(), home.path().join("empty").into(), &config("0.23.1", "")).await;
    let refused = refused.expect_err("nothing to make it with").to_string();
    assert_eq!(refused, "there is no Python on this machine: install python3 with its venv module, or uv");
}
