//! [`Scrape`]: what Prometheus sees.

use std::collections::{BTreeMap, BTreeSet};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What Prometheus reads: samples by `name{labels}`, and what it is told of the metrics.
pub(crate) struct Scrape {
    pub(crate) samples: BTreeMap<String, f64>,
    pub(crate) help: BTreeMap<String, String>,
    pub(crate) types: BTreeMap<String, String>,
}

impl Scrape {
    /// Asks over HTTP, as Prometheus does.
    pub(crate) async fn of(port: u16) -> Self {
        let (head, body) = get(port, "/metrics").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/plain"), "{head}");
        Self::read(&body)
    }

    pub(crate) fn read(text: &str) -> Self {
        let told = |word: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' '));
            let lines: Vec<_> = lines.map(|(name, what)| (name.into(), what.into())).collect();
            let told: BTreeMap<String, String> = lines.iter().cloned().collect();
            assert_eq!(told.len(), lines.len(), "a metric is told of twice");
            told
        };
        Self { samples: samples(text), help: told("# HELP "), types: told("# TYPE ") }
    }

    /// Counters and gauges.
    pub(crate) fn plain_samples(&self) -> impl Iterator<Item = (String, f64)> {
        let plain = |sample: &&String| !sample.contains("_seconds_");
        let samples = self.samples.keys().filter(plain);
        samples.map(|sample| (sample.clone(), self.samples[sample]))
    }

    /// Each label of a metric, with the values that it has; `None` if there is no such metric.
    pub(crate) fn labels(&self, metric: &str) -> Option<BTreeMap<&str, BTreeSet<&str>>> {
        let mut found = None;
        for sample in self.samples.keys() {
            let (name, pairs) =
                sample.trim_end_matches('}').split_once('{').unwrap_or((sample, ""));
            if name != metric {
                continue;
            }
            let labels: &mut BTreeMap<&str, BTreeSet<&str>> = found.get_or_insert_default();
            for (label, value) in pairs.split(',').filter_map(|pair| pair.split_once('=')) {
                labels.entry(label).or_default().insert(value.trim_matches('"'));
            }
        }
        found
    }
}

/// What is answered at a path: its status and its body.
pub(crate) async fn answer(port: u16, path: &str) -> (u16, String) {
    let (head, body) = get(port, path).await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// The head of an answer, and its body.
async fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

pub(crate) fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(sample, value)| (sample.to_owned(), value.parse().unwrap())).collect()
}
