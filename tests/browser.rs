//! The status page in a real browser: headless Chromium, driven by chromedriver, reading what the server serves.
//!
//! `ONNET_SCREENSHOTS=DIR cargo test --test browser` also writes a picture of every state in every view.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod common;
#[path = "common/page.rs"]
mod page;
#[path = "common/web.rs"]
mod web;

use common::scenario;
use libtest_mimic::{Arguments, Failed, Trial};
use onnet::{
    model::{Report, Status},
    serve::{Limits, WebConfig},
};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::Instant;

type Done = Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let missing: Vec<&str> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|program| Command::new(program).arg("--version").output().is_err())
        .collect();
    if !missing.is_empty() {
        eprintln!(
            "no {} (Debian: chromium, chromium-driver), so the browser's tests are ignored",
            missing.join(" and ")
        );
    }
    let mut trials = Vec::new();
    for (state, _) in page::STATES {
        trials.push(Trial::test(format!("{state}::reads_well_in_every_view"), move || every_view(state)));
    }
    trials.push(Trial::test("it_needs_no_javascript", without_javascript));
    trials.push(Trial::test("names_of_any_length_break_nothing", long_names));
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(!missing.is_empty())).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A browser, its driver, and the state of one reader.
struct Browser {
    driver: Child,
    base: String,
    session: String,
    client: reqwest::Client,
    _profile: TempDir,
}

impl Browser {
    async fn start(preferences: Value) -> Result<Self, Failed> {
        let profile = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(onnet::observe::tls::Roots::load()?.client_config()?.as_ref().clone())
            .no_proxy()
            .build()?;
        let base = format!("http://127.0.0.1:{port}");
        let mut browser = Self { driver, base, session: String::new(), client, _profile: profile };
        let until = Instant::now() + Duration::from_secs(20);
        while browser.call("GET", "/status", &Value::Null).await.is_err() {
            assert!(Instant::now() < until, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                format!("--user-data-dir={}", browser._profile.path().display()),
            ],
            "prefs": preferences,
        });
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let session =
            browser.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": capabilities } })).await?;
        browser.session = format!("/session/{}", session["sessionId"].as_str().ok_or("no session")?);
        Ok(browser)
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failed> {
        let url = format!("{}{path}", self.base);
        let request = if method == "GET" { self.client.get(url) } else { self.client.post(url).body(body.to_string()) };
        let text = request.send().await?.text().await?;
        let answer: Value = serde_json::from_str(&text)?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{path}: {error}: {}", answer["value"]["message"]).into()),
            None => Ok(answer["value"].clone()),
        }
    }

    async fn ask(&self, path: &str, body: Value) -> Result<Value, Failed> {
        self.call("POST", &format!("{}{path}", self.session), &body).await
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value, Failed> {
        self.ask("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn script(&self, script: &str) -> Result<Value, Failed> {
        self.ask("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Shows the page on a screen of that width, light or dark.
    async fn show(&self, url: &str, view: View) -> Result<(), Failed> {
        let features = json!([{ "name": "prefers-color-scheme", "value": if view.dark { "dark" } else { "light" } }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        let metrics = json!({ "width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": view.width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        self.ask("/url", json!({ "url": url })).await?;
        Ok(())
    }

    async fn screenshot(&self, file: &Path) -> Result<(), Failed> {
        use base64::Engine;
        let picture =
            self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "format": "png" })).await?;
        let picture = picture["data"].as_str().ok_or("no picture")?;
        std::fs::write(file, base64::engine::general_purpose::STANDARD.decode(picture)?)?;
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver takes the browser with it.
        let _ = Command::new("pkill").args(["-KILL", "-P", &self.driver.id().to_string()]).status();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[derive(Clone, Copy, Debug)]
struct View {
    name: &'static str,
    width: u32,
    dark: bool,
}

const VIEWS: [View; 5] = [
    View { name: "wide", width: 1280, dark: false },
    View { name: "wide-dark", width: 1280, dark: true },
    View { name: "middle", width: 768, dark: false },
    View { name: "narrow", width: 360, dark: false },
    View { name: "narrow-dark", width: 360, dark: true },
];

/// What is wrong with the page as it is shown: a list of sentences.
const LOOK: &str = r#"
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) wrong.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
const shown = [...document.querySelectorAll('svg.picture')].filter(svg => getComputedStyle(svg).display !== 'none');
if (document.querySelector('svg.picture') && shown.length !== 1) wrong.push(`${shown.length} pictures are shown`);
for (const svg of shown) {
  const box = svg.viewBox.baseVal, texts = [...svg.querySelectorAll('text')].map(text => [text, text.getBBox()]);
  const scale = svg.getBoundingClientRect().width / box.width;
  for (const [text, b] of texts) {
    if (b.x < 0 || b.y < 0 || b.x + b.width > box.width || b.y + b.height > box.height) wrong.push(`outside: ${text.textContent}`);
    if (parseFloat(getComputedStyle(text).fontSize) * scale < 10.5) wrong.push(`too small: ${text.textContent}`);
    const card = text.closest('.card');
    if (card) {
      const r = card.querySelector('rect').getBBox();
      if (b.x + b.width > r.x + r.width || b.y + b.height > r.y + r.height + 1) wrong.push(`out of its card: ${text.textContent}`);
    }
    for (const [other, o] of texts) {
      if (other !== text && b.x < o.x + o.width - 1 && o.x < b.x + b.width - 1 && b.y < o.y + o.height - 3 && o.y < b.y + b.height - 3)
        wrong.push(`on one another: ${text.textContent} / ${other.textContent}`);
    }
  }
}
const headings = [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1]);
headings.forEach((level, n) => { if (level > (n ? headings[n - 1] : 0) + 1) wrong.push(`heading ${n} skips a level`); });
for (const image of document.querySelectorAll('svg[role=img]'))
  if (!image.getAttribute('aria-label') && !image.getAttribute('aria-labelledby')) wrong.push('a picture without a name');
for (const link of document.querySelectorAll('a, summary, pre')) { link.focus(); if (document.activeElement !== link) wrong.push(`cannot be focused: ${link.outerHTML.slice(0, 60)}`); }

const rgb = text => { const m = (text.match(/[\d.]+/g) || []).map(Number); return m.length === 3 || m[3] > 0 ? m : null; };
const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c) return c; } return [255, 255, 255]; };
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
for (const e of document.querySelectorAll('h1,h2,h3,p,td,th,dt,dd,li,code,a,summary,span,strong')) {
  if (e.closest('.skip') || !e.getClientRects().length || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const c = contrast(rgb(getComputedStyle(e).color), behind(e));
  if (c < 4.5) wrong.push(`contrast ${c.toFixed(2)}: ${e.textContent.slice(0, 40)}`);
}
for (const svg of shown) for (const text of svg.querySelectorAll('text')) {
  const card = text.closest('.card'), frame = text.closest('.frame');
  const rect = (card || frame).querySelector('rect');
  const fill = rgb(getComputedStyle(rect).fill) || behind(svg);
  const c = contrast(rgb(getComputedStyle(text).fill), fill);
  if (c < 4.5) wrong.push(`contrast ${c.toFixed(2)} in the picture: ${text.textContent}`);
}
return wrong;
"#;

/// A report made seven seconds ago by the clock that the server reads.
fn recent(report: &Report) -> Result<Report, Failed> {
    let mut json = serde_json::to_value(report)?;
    web::shift(&mut json, web::now().since(report.taken_at.plus(Duration::from_secs(7))));
    Ok(serde_json::from_value(json)?)
}

/// Serves the page of a status as the daemon does, headers and all, while `reader` reads it.
fn served<F>(status: Status, reader: impl FnOnce(String) -> F) -> Done
where
    F: Future<Output = Done>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = web::Server::start(WebConfig::none(), Limits::default());
        server.publisher.publish(status);
        reader(format!("http://{}/", server.address)).await
    })
}

fn no_preferences() -> Value {
    json!({})
}

fn every_view(state: &'static str) -> Done {
    let (_, world) = page::STATES.into_iter().find(|(name, _)| *name == state).unwrap();
    let report = world.map(scenario).as_ref().map(recent).transpose()?;
    let (status, _) = page::status(report.clone());
    served(status, async |url| {
        let browser = Browser::start(no_preferences()).await?;
        for view in VIEWS {
            browser.show(&url, view).await?;
            let wrong = browser.script(LOOK).await?;
            assert_eq!(wrong, json!([]), "{state}, {view:?}");
            let text = browser.script("return document.body.innerText").await?;
            let text = text.as_str().unwrap();
            let expected = report.as_ref().map_or("The first check is running", |report| &report.summary[1..]);
            assert!(text.contains(expected), "{state}, {view:?}: no {expected} in\n{text}");
            for finding in report.iter().flat_map(|report| &report.findings) {
                let fix = finding.fix.as_deref().and_then(|fix| fix.lines().next()).unwrap_or("");
                assert!(text.contains(fix), "{state}, {view:?}: no {fix}");
            }
            let log = browser.ask("/se/log", json!({ "type": "browser" })).await?;
            assert_eq!(log, json!([]), "{state}, {view:?}: the console");
            if let Some(folder) = std::env::var_os("ONNET_SCREENSHOTS") {
                browser.screenshot(&Path::new(&folder).join(format!("{state}-{}.png", view.name))).await?;
            }
        }
        Ok(())
    })
}

fn without_javascript() -> Done {
    let (status, _) = page::status(Some(recent(&scenario("gateway_endpoint_carries_the_whole_list"))?));
    served(status, async |url| {
        let browser = Browser::start(json!({ "profile.managed_default_content_settings.javascript": 2 })).await?;
        browser.show(&url, VIEWS[0]).await?;
        // Scripts of the page do not run; the driver's own do not either, so the browser is asked what it drew.
        let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await?.to_string();
        for part in ["on-net", "The way to DynamoDB", "What to do", "Changes of the outcome"] {
            assert!(tree.contains(part), "no {part} in the tree of what can be read");
        }
        Ok(())
    })
}

fn long_names() -> Done {
    let json = serde_json::to_string(&scenario("endpoint_without_route_tables_carries_nothing"))?;
    let long = |prefix: &str| format!("{prefix}{}", "0123456789abcdef".repeat(19));
    let mut json = json;
    for id in ["vpce-0d", "igw-0a", "rtb-main", "subnet-0a", "vpc-0a", "eni-0a"] {
        json = json.replace(id, &long(id));
    }
    let (status, _) = page::status(Some(recent(&serde_json::from_str(&json)?)?));
    served(status, async |url| {
        let browser = Browser::start(no_preferences()).await?;
        for view in VIEWS {
            browser.show(&url, view).await?;
            assert_eq!(browser.script(LOOK).await?, json!([]), "{view:?}");
        }
        Ok(())
    })
}
