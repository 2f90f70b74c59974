//! The HTTP server of the page: one thread of its own with a small runtime, far from the loops that
//! collect and deliver.
//!
//! Everything a client can make it spend is bounded: connections (the oldest gives way), time for a
//! request to arrive, life of a connection, bytes of a request, and the share of a processor that
//! pages take ([`Pace`]). What must never happen here: an error that ends the
//! service. A panic does end a released binary (`panic = "abort"`); systemd starts it again.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderMap, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::AbortHandle, time::Instant};

use super::answer::{Answer, Question, Site};
use crate::{
    logging::{self, LogOnce},
    status::shell::POLICY,
};

/// More open connections than browsers of a plant have at once.
const MOST_CONNECTIONS: usize = 32;
/// A request that takes longer to arrive is none.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// The life of a connection, an answer's way to a slow client included.
const LIFE: Duration = Duration::from_secs(60);
const MOST_HEAD_BYTES: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// Up to here a request is taken, so that it can be told what is too much of it; beyond, the connection ends with a
/// bare 431.
const MOST_TAKEN_BYTES: usize = 64 * 1024;
const MOST_TAKEN_HEADERS: usize = 512;
/// After a page the server rests for this many times as long as the page took.
const REST: u32 = 2;
/// The same page asked for again within this time is the same page.
const SAME_WITHIN: Duration = Duration::from_secs(1);
const MOST_KEPT: usize = 8;
/// A port that is taken, or an address that is not there yet, is tried again.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Serves for as long as the process lives. It starts a thread and returns.
pub fn serve(site: Site, listen: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("page".to_owned()).spawn(move || {
        runtime.block_on(async {
            let server =
                Arc::new(PageServer { site, kept: Mutex::default(), pace: Pace::default() });
            let listener = listener(listen).await;
            accept(listener, server).await;
        });
    })?;
    Ok(())
}

async fn listener(listen: SocketAddr) -> TcpListener {
    let mut not_listening = LogOnce::default();
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                logging::page_listens(listener.local_addr().unwrap_or(listen));
                return listener;
            }
            Err(error) => {
                if not_listening.begins() {
                    logging::page_cannot_listen(listen, &error);
                }
            }
        }
        tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
    }
}

async fn accept(listener: TcpListener, server: Arc<PageServer>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, say: others need them more.
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MOST_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let server = Arc::clone(&server);
        let connection = tokio::spawn(async move {
            let service = service_fn(|request| {
                let server = Arc::clone(&server);
                async move { Ok::<_, Infallible>(server.serve(&request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(MOST_TAKEN_BYTES)
                .max_headers(MOST_TAKEN_HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away, or is too slow, is its own affair.
            let _ = tokio::time::timeout(LIFE, connection).await;
        });
        open.push_back(connection.abort_handle());
    }
}

/// Where requests are taken and answered, one at a time.
struct PageServer {
    site: Site,
    kept: Mutex<VecDeque<Kept>>,
    pace: Pace,
}

/// An answer that was given a moment ago.
struct Kept {
    key: String,
    at: Instant,
    answer: Answer,
}

impl PageServer {
    async fn serve(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let text = |name: HeaderName| request.headers().get(name).and_then(|v| v.to_str().ok());
        let question = Question {
            method: request.method().as_str(),
            host: one_host(request.headers()),
            target: request.uri().path_and_query().map_or("", |target| target.as_str()),
            accept_language: text(header::ACCEPT_LANGUAGE),
            accept: text(header::ACCEPT),
        };
        if let Some(refusal) = self.site.refusal(&question) {
            return response(refusal);
        }
        if is_too_much(request.headers()) {
            return response(self.site.too_many_headers(&question));
        }
        let key = [Some(question.target), question.accept_language, question.accept]
            .map(Option::unwrap_or_default)
            .join("\n");
        if let Some(answer) = self.kept(&key) {
            return response(answer);
        }
        self.pace.turn().await;
        // A request that waited for its turn may find that somebody else asked for the same.
        if let Some(answer) = self.kept(&key) {
            return response(answer);
        }
        let begun = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| self.site.answer(&question)));
        self.pace.took(begun.elapsed());
        let answer = answer.unwrap_or_else(|_| {
            logging::page_failed(question.target);
            self.site.failed(&question)
        });
        self.keep(key, &answer);
        response(answer)
    }

    fn kept(&self, key: &str) -> Option<Answer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|kept| kept.key == key && kept.at.elapsed() < SAME_WITHIN)?;
        Some(found.answer.clone())
    }

    fn keep(&self, key: String, answer: &Answer) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.key != key && kept.at.elapsed() < SAME_WITHIN);
        if kept.len() >= MOST_KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept { key, at: Instant::now(), answer: answer.clone() });
    }
}

fn is_too_much(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers.len() > MOST_HEADERS || bytes > MOST_HEAD_BYTES
}

/// The one `Host` header; two of them are a trick.
fn one_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// However many ask, pages take at most a third of one processor's time: after each the next waits
/// for twice as long as it took.
#[derive(Default)]
struct Pace {
    free_from: Mutex<Option<Instant>>,
}

impl Pace {
    /// Waits for the next turn. Between this and [`Pace::took`] nothing waits, so nobody else comes.
    async fn turn(&self) {
        loop {
            let free_from = *self.free_from.lock().unwrap_or_else(PoisonError::into_inner);
            match free_from {
                Some(at) if at > Instant::now() => tokio::time::sleep_until(at).await,
                _ => return,
            }
        }
    }

    fn took(&self, time: Duration) {
        let at = Instant::now() + time * REST;
        *self.free_from.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

/// Said with every answer: nothing of it is for other places, and nothing of other places is in it.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let Answer { status, content_type, body, file_name } = answer;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if status == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    if let Some(name) = file_name
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
