//! How to use one's own app with the server.

use secrecy::ExposeSecret;

use super::stage::Stage;
use crate::cli::failure::Outcome;
use crate::cli::output::{self, Style};

/// Where a server is that was started without flags.
const USUAL_URL: &str = "http://127.0.0.1:8787";

/// Prints what to do next. The lines work as they are when the demo's server stays.
pub(super) fn print(stage: &Stage, stays: bool) -> Outcome {
    let token = if stays { stage.token().expose_secret() } else { "r8_..." };
    let url = if stays { stage.url() } else { USUAL_URL };
    let first = if stays {
        "Use this server with your own app:"
    } else {
        "Use it with your own app: start a server with `cogwire serve`, which prints your token; or `cogwire demo --keep`."
    };
    output::print(format_args!("\n{}\n", Style::Strong.paint(first)))?;
    section("curl", &curl(url, token))?;
    section("Python (pip install replicate)", &python(url, token))?;
    section("JavaScript (npm install replicate)", &javascript(url, token))
}

fn section(name: &str, code: &str) -> Outcome {
    output::print(Style::Dim.paint(format_args!("  {name}")))?;
    for line in code.lines() {
        output::print(format_args!("    {}", Style::Accent.paint(line)))?;
    }
    output::print("")?;
    Ok(())
}

fn curl(url: &str, token: &str) -> String {
    format!(
        "curl -s {url}/v1/predictions -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\\n  \
         -d '{{\"version\": \"replicate/hello-world\", \"input\": {{\"text\": \"Alice\"}}, \
         \"webhook\": \"http://localhost:3000/hook\"}}'"
    )
}

fn python(url: &str, token: &str) -> String {
    format!(
        "$ export REPLICATE_BASE_URL={url} REPLICATE_API_TOKEN={token}\n\
         >>> import replicate\n\
         >>> replicate.run(\"replicate/hello-world\", input={{\"text\": \"Alice\"}})"
    )
}

fn javascript(url: &str, token: &str) -> String {
    format!(
        "const replicate = new Replicate({{ auth: \"{token}\", baseUrl: \"{url}/v1\" }});\n\
         console.log(await replicate.run(\"replicate/hello-world\", {{ input: {{ text: \"Alice\" }} }}));"
    )
}
