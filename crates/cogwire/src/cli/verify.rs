//! `cogwire verify`: is this webhook signed, and if not, why not?

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use cogwire_core::time::{Clock, Timestamp};
use cogwire_core::webhook::signature::{Problem, Received, Verified, Verifier, verify_with};
use serde_json::json;

use super::client::{Client, TargetArgs};
use super::failure::{Failure, Outcome};
use super::output::{self, Style};
use super::raw_request::RawRequest;
use crate::lifecycle::SystemClock;

/// What `verify` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire verify --request webhook.http --secret whsec_...
  cogwire verify --id msg_1 --timestamp 1700000000 --signature 'v1,...' --body body.json
  cogwire verify -H 'webhook-id: msg_1' -H 'webhook-timestamp: 1700000000' \
      -H 'webhook-signature: v1,...' --body - < body.json

A request file has header lines, an empty line, and the body as it arrived. Without --secret, the
server is asked.")]
pub(super) struct VerifyArgs {
    /// A webhook signing secret, or a public key (whpk_...); can be given several times.
    #[arg(long, value_name = "whsec_...", env = "COGWIRE_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Vec<String>,
    /// A file with a whole request: headers, an empty line, the body; - reads standard input.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// One of the headers, as "name: value".
    #[arg(long, short = 'H', value_name = "HEADER")]
    header: Vec<String>,
    /// The webhook-id header.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The webhook-timestamp header.
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<String>,
    /// The webhook-signature header.
    #[arg(long, value_name = "TEXT")]
    signature: Option<String>,
    /// The body, byte for byte as it arrived; - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    body: Option<PathBuf>,
    /// How old the signature may be, in seconds; by default any age will do, because recorded requests are old.
    #[arg(long, value_name = "SECONDS")]
    tolerance: Option<u32>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Checks one request.
pub(super) async fn run(args: VerifyArgs) -> Outcome {
    let request = args.request()?;
    let verifiers = args.verifiers().await?;
    let received = Received {
        id: request.header("webhook-id"),
        timestamp: request.header("webhook-timestamp"),
        signature: request.header("webhook-signature"),
        body: &request.body,
    };
    let now = SystemClock.now().as_seconds();
    let tolerance = args.tolerance.map_or(i64::MAX, i64::from);
    let result = verify_with(&verifiers, &received, now, tolerance);
    if args.json {
        print_json(&result)?;
    } else {
        explain(&result)?;
    }
    result.map(drop).map_err(|_| Failure::Told)
}

impl VerifyArgs {
    fn request(&self) -> Outcome<RawRequest> {
        let mut request = match (&self.request, &self.body) {
            (Some(file), _) => RawRequest::parse(&read(file)?),
            (None, Some(file)) => RawRequest { headers: Vec::new(), body: read(file)? },
            (None, None) => {
                return Err(Failure::Usage(
                    "give the request with --request FILE, or its body with --body FILE".to_owned(),
                ));
            }
        };
        for header in &self.header {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                Failure::Usage(format!("--header {header:?} is not of the form \"name: value\""))
            })?;
            request.set(name, value);
        }
        let named = [
            ("webhook-id", &self.id),
            ("webhook-timestamp", &self.timestamp),
            ("webhook-signature", &self.signature),
        ];
        for (name, value) in named {
            value.iter().for_each(|value| request.set(name, value));
        }
        Ok(request)
    }

    async fn verifiers(&self) -> Outcome<Vec<Verifier>> {
        let texts = match self.secret.as_slice() {
            [] => keys_of_server(&self.target).await?,
            given => given.to_vec(),
        };
        let parse = |text: &String| Verifier::parse(text).map_err(|error| Failure::Usage(error.to_string()));
        texts.iter().map(parse).collect()
    }
}

/// The current secret, and all public keys.
async fn keys_of_server(target: &TargetArgs) -> Outcome<Vec<String>> {
    let client = Client::new(target)?;
    output::say(format_args!("No --secret was given: asking {}.", client.base()));
    let answer = client.get("/webhooks/default/secrets").await?;
    let secrets = answer["results"].as_array().into_iter().flatten();
    let keys = secrets.flat_map(|secret| [&secret["key"], &secret["public_key"]]);
    Ok(keys.filter_map(|key| key.as_str().map(str::to_owned)).collect())
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|content| bytes = content)
    };
    result.map_err(|error| Failure::of(format_args!("cannot read {}", path.display()), &error))?;
    Ok(bytes)
}

fn explain(result: &Result<Verified, Problem>) -> Outcome {
    match result {
        Ok(verified) => {
            let signed_at = Timestamp::from_micros(verified.signed_at.saturating_mul(1_000_000));
            let signed_at = super::predictions::time(&json!(signed_at.to_string()));
            output::print(format_args!(
                "{} signed {signed_at} UTC.",
                Style::Good.paint("The signature is valid:")
            ))?;
        }
        Err(problem) => {
            output::print(format_args!("{} {problem}.", Style::Bad.paint("The signature is not valid:")))?;
            output::print(problem.advice())?;
        }
    }
    Ok(())
}

fn print_json(result: &Result<Verified, Problem>) -> Outcome {
    output::print_json(&match result {
        Ok(verified) => json!({"valid": true, "signed_at": verified.signed_at}),
        Err(problem) => json!({"valid": false, "problem": problem.to_string(), "advice": problem.advice()}),
    })?;
    Ok(())
}
