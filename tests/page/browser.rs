//! A headless Chromium behind Debian's chromedriver, spoken to in WebDriver's own words.
//!
//! What must never happen: a browser that outlives the test that started it. All of it lives in a
//! process namespace that the kernel ends with the test, however that ends.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{http, wait};

/// A browser with one page.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

/// What the page is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub width: u32,
    pub height: u32,
    pub is_mobile: bool,
    pub is_dark: bool,
}

pub const DESKTOP: Screen = Screen { width: 1200, height: 900, is_mobile: false, is_dark: false };
pub const WALL: Screen = Screen { width: 1920, height: 1080, ..DESKTOP };
pub const DARK: Screen = Screen { is_dark: true, ..DESKTOP };
pub const TABLET: Screen = Screen { width: 820, height: 1180, is_mobile: true, is_dark: false };
pub const PHONE: Screen = Screen { width: 390, height: 844, is_mobile: true, is_dark: false };

impl Browser {
    /// A browser that asks for pages in `language`, such as `fr-FR`.
    pub fn start(language: &str) -> Self {
        let profile = tempfile::Builder::new().prefix("cu-agent-browser-").tempdir().unwrap();
        // It takes a port for IPv4 and asks for the same one for IPv6, which another one may have by then.
        let started = (0..3).find_map(|_| start_driver());
        let (driver, port) = started.expect("chromedriver says its port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let profile = browser._profile.path().to_str().unwrap();
        let started = browser.call(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": {
                "goog:loggingPrefs": { "browser": "ALL" },
                "goog:chromeOptions": { "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                    "--no-first-run", "--disable-background-networking",
                    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                    format!("--user-data-dir={profile}"),
                    format!("--accept-lang={language}"),
                    format!("--lang={language}"),
                ] },
            } } }),
        );
        browser.session = started["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let mut stream = http::connect(self.address);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let answer = http::answer(stream).expect("chromedriver answers");
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {value:#}");
        value["value"].clone()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Chromium's own protocol, for what WebDriver has no word for.
    pub fn devtools(&self, name: &str, parameters: Value) -> Value {
        self.command("POST", "/goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    pub fn look_with(&self, screen: Screen) {
        let Screen { width, height, is_mobile, is_dark } = screen;
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_mobile }),
        );
        let scheme = if is_dark { "dark" } else { "light" };
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    pub fn open(&self, server: SocketAddr, target: &str) {
        self.command("POST", "/url", &json!({ "url": format!("http://{server}{target}") }));
    }

    /// A page of nobody's, with nothing but this text.
    pub fn open_html(&self, html: &str) {
        let url = format!("data:text/html;base64,{}", STANDARD.encode(html));
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// A file of this computer.
    pub fn open_file(&self, path: &Path) {
        self.command("POST", "/url", &json!({ "url": format!("file://{}", path.display()) }));
    }

    /// The value of a JavaScript function's body.
    pub fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the one element that `selector` finds.
    pub fn text(&self, selector: &str) -> String {
        let selector = serde_json::to_string(selector).unwrap();
        let script = format!(
            "const all = document.querySelectorAll({selector}); \
             if (all.length !== 1) throw new Error(all.length + ' of ' + {selector}); \
             return all[0].textContent"
        );
        self.run(&script).as_str().unwrap().to_owned()
    }

    pub fn press_tab(&self) {
        self.press("\u{e004}");
    }

    /// A key in WebDriver's own writing.
    pub fn press(&self, value: &str) {
        let key = |kind: &str| json!({ "type": kind, "value": value });
        let actions = json!({ "actions": [{
            "type": "key", "id": "keyboard", "actions": [key("keyDown"), key("keyUp")],
        }] });
        self.command("POST", "/actions", &actions);
    }

    /// A click or a tap at a place of the screen; `kind` is `mouse` or `touch`.
    pub fn point(&self, kind: &str, x: i64, y: i64) {
        let actions = json!({ "actions": [{
            "type": "pointer", "id": kind, "parameters": { "pointerType": kind }, "actions": [
                { "type": "pointerMove", "duration": 0, "x": x, "y": y },
                { "type": "pointerDown", "button": 0 }, { "type": "pointerUp", "button": 0 },
            ],
        }] });
        self.command("POST", "/actions", &actions);
    }

    /// What the browser complained about so far: blocked scripts, missing files.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Keeps a picture of the whole page for whoever looks at the run.
    pub fn keep_picture(&self, name: &str) -> PathBuf {
        let shot = self.devtools(
            "Page.captureScreenshot",
            json!({ "format": "png", "captureBeyondViewport": true }),
        );
        let folder = pictures();
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
        path
    }

    /// A picture of what the screen shows of the page, with few enough colours if pngquant is installed.
    pub fn picture(&self, path: &Path) {
        self.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
        let shot = self.devtools("Page.captureScreenshot", json!({ "format": "png" }));
        fs::write(path, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
        let mut few = Command::new("pngquant");
        few.args(["--force", "--skip-if-larger", "--ext", ".png", "128"]).arg(path);
        // Without it the picture is as good, and larger.
        few.status().ok();
    }

    /// What does not fit: a page wider than its screen, text that is cut, shortened or hidden, and texts that lie
    /// on one another.
    pub fn boxes(&self) -> Vec<String> {
        let found = self.run(include_str!("boxes.js"));
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// What axe-core finds wrong, one line a violation.
    pub fn axe(&self) -> Vec<String> {
        let axe = tools().join("node_modules/axe-core/axe.min.js");
        let source = fs::read_to_string(&axe).unwrap_or_else(|error| {
            panic!("tests/install-test-tools.sh page: {}: {error}", axe.display())
        });
        let script = format!(
            "{source}; const done = arguments[arguments.length - 1]; \
             axe.run(document, {{ resultTypes: ['violations'] }}).then((result) => done(result.violations.map((one) => \
             one.id + ': ' + one.help + ': ' + one.nodes.map((node) => node.target + ' ' + (node.any[0] ? node.any[0].message : '')).slice(0, 3).join(', '))), \
             (error) => done(['axe: ' + error]))"
        );
        let found =
            self.command("POST", "/execute/async", &json!({ "script": script, "args": [] }));
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }
}

/// The driver and its port; `None`: it ended before it had one.
fn start_driver() -> Option<(Child, u16)> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"]);
    if !is_root() {
        command.arg("--map-root-user");
    }
    let mut driver = command
        .args(["--mount-proc", "chromedriver", "--port=0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tests/install-test-tools.sh page installs chromium-driver");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map(Result::unwrap).find_map(|line| {
        let port = line.split("started successfully on port ").nth(1)?;
        port.trim_end_matches('.').parse::<u16>().ok()
    });
    let Some(port) = port else {
        driver.kill().ok();
        driver.wait().ok();
        return None;
    };
    // Whatever else it says is taken away, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The first process of a namespace takes all others with it.
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn target() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_cu-agent")).parent().unwrap().parent().unwrap();
    beside.to_owned()
}

/// Where `tests/install-test-tools.sh page` puts what npm has.
pub fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page-tools")
}

/// Where pictures of pages are kept.
pub fn pictures() -> PathBuf {
    target().join("page-screenshots")
}

/// Waits until `selector`'s text is `wanted`.
pub fn until_text(browser: &Browser, selector: &str, wanted: &str) {
    wait::until(&format!("{selector} says {wanted:?}"), wait::PATIENCE, || {
        browser.text(selector) == wanted
    });
}
