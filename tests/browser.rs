//! The status page in a real browser: headless Chromium, controlled by chromedriver, reads the page from the server.
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

/// A browser, its driver, and its session.
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
            .tls_backend_preconfigured(onnet::observe::tls::Roots::load(None)?.client_config()?.as_ref().clone())
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

    /// Shows the page on a screen of this width, light or dark.
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
        // The browser ends with the driver.
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

/// The defects of the page as it is shown: a list of sentences.
const INSPECT: &str = r#"
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) wrong.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
const map = document.querySelector('.map'), cards = map ? [...map.querySelectorAll('.card')] : [], box = e => e.getBoundingClientRect();
const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
const within = (a, b) => a.left >= b.left - .5 && a.right <= b.right + .5 && a.top >= b.top - .5 && a.bottom <= b.bottom + .5;
const frames = kind => [...map.querySelectorAll(`.frame.${kind}`)].map(box);
for (const card of cards) {
  const text = card.textContent;
  for (const other of cards) if (other !== card && meet(box(card), box(other))) wrong.push(`on one another: ${text} / ${other.textContent}`);
  const kinds = card.matches('.instance') ? ['region', 'vpc', 'subnet'] : card.matches('.table') ? ['region', 'vpc'] : ['region'];
  for (const kind of kinds) if (!frames(kind).some(frame => within(box(card), frame))) wrong.push(`not in its ${kind}: ${text}`);
}
const texts = map ? [...map.querySelectorAll('p')] : [];
const lines = text => { const range = document.createRange(); range.selectNodeContents(text); return [...range.getClientRects()]; };
for (const text of texts) {
  const holder = text.closest('.card');
  for (const line of lines(text)) {
    if (!within(line, box(holder || text))) wrong.push(`runs over: ${text.textContent}`);
    for (const card of cards) if (card !== holder && meet(line, box(card))) wrong.push(`on a card: ${text.textContent}`);
    for (const other of texts) if (other !== text && meet(line, box(other)) && lines(other).some(l => meet(line, l)))
      wrong.push(`on one another: ${text.textContent} / ${other.textContent}`);
  }
  if (parseFloat(getComputedStyle(text).fontSize) < 10.5) wrong.push(`too small: ${text.textContent}`);
}
// Every arrow is a straight line from the card before it to the card after it.
for (const arrow of map ? map.querySelectorAll('.arrow[class*=" "]') : []) {
  const is = name => arrow.classList.contains(name), card = name => map.querySelector(`.card.${name}`), beside = arrow.parentElement.querySelector('.hop');
  const from = is('first') ? card('instance') : beside && beside.compareDocumentPosition(arrow) & 4 ? beside : card('table');
  const to = is('first') ? card('table') : beside && beside !== from ? beside : card('service');
  const [a, f, t] = [arrow, from, to].map(box), across = f.right <= t.left + 1;
  const [begin, end, low, high] = across ? ['left', 'right', 'top', 'bottom'] : ['top', 'bottom', 'left', 'right'], middle = (a[low] + a[high]) / 2;
  if (Math.abs(a[begin] - f[end]) > 1) wrong.push(`an arrow does not leave ${from.textContent}`);
  if (Math.abs(a[end] - t[begin]) > 1 && !is('ends')) wrong.push(`an arrow does not reach ${to.textContent}`);
  for (const end of [f, t]) if (middle < end[low] || middle > end[high]) wrong.push(`an arrow misses ${from.textContent} or ${to.textContent}`);
  if (a[end] - a[begin] < 24) wrong.push(`too short: an arrow to ${to.textContent}`);
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
for (const name of map ? map.querySelectorAll('.name') : []) {
  const c = contrast(rgb(getComputedStyle(name).color), behind(map.querySelector(`.frame.${name.classList[1]}`)));
  if (c < 4.5) wrong.push(`contrast ${c.toFixed(2)}: ${name.textContent}`);
}
return wrong;
"#;

/// A report that was made seven seconds ago by the server's clock.
fn recent(report: &Report) -> Result<Report, Failed> {
    let mut json = serde_json::to_value(report)?;
    web::shift(&mut json, web::now().since(report.taken_at.plus(Duration::from_secs(7))));
    Ok(serde_json::from_value(json)?)
}

/// Serves the page of a status as the daemon does, with its headers, while `reader` reads it.
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
            let wrong = browser.script(INSPECT).await?;
            assert_eq!(wrong, json!([]), "{state}, {view:?}");
            let text = browser.script("return document.body.innerText").await?;
            let text = text.as_str().unwrap();
            let expected =
                report.as_ref().map_or("onnet is collecting facts for the first time", |report| &report.summary[1..]);
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
        // Neither scripts of the page nor of the driver run, so the test reads the browser's accessibility tree.
        let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await?.to_string();
        for part in ["on-net", "The path to DynamoDB", "What to do", "Changes of the outcome"] {
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
            assert_eq!(browser.script(INSPECT).await?, json!([]), "{view:?}");
        }
        Ok(())
    })
}
