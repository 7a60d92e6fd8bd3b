//! The source keeps the rules of sources, as far as clients that post again can tell.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use crate::support::{self, conf, context, free_port, params, post, send};
use kisflow_core::{
    Delivery, Result, Source, SourceConf, SourceContext, async_trait,
    conformance::{self, ExactlyOnceWorld, Lease, SourceWorld, World},
};
use kisflow_http::{Http, HttpParams};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// A port that is posted to.
struct Port {
    port: u16,
    clients: Mutex<JoinSet<()>>,
    /// Counts how often every connection is broken.
    breaks: watch::Sender<usize>,
    /// The rows that any reader has handed out.
    handed: watch::Sender<BTreeSet<String>>,
}

struct Ports;

#[async_trait]
impl SourceWorld for Ports {
    type World = Port;

    const SHARES: bool = false;

    async fn create(&self) -> Port {
        Port {
            port: free_port(),
            clients: Mutex::default(),
            breaks: watch::Sender::default(),
            handed: watch::Sender::default(),
        }
    }
}

#[async_trait]
impl World for Port {
    type Source = Reader;

    async fn open(&self, lease: Lease) -> Reader {
        self.open_in(lease, context("Flow")).await
    }

    /// One post after the other, each as soon as the rows of the one before are handed out: what is
    /// posted at once has no order.
    async fn feed(&self, rows: Vec<String>) {
        let (port, breaks) = (self.port, self.breaks.subscribe());
        let mut handed = self.handed.subscribe();
        self.clients.lock().unwrap().spawn(async move {
            let mut clients = JoinSet::new();
            for rows in rows.chunks(10) {
                let key = format!("idempotency-key: {}", rows[0].replace(['"', ':', '{', '}'], ""));
                clients.spawn(client(
                    port,
                    post("/rows", &[&key], rows.join("\n")),
                    breaks.clone(),
                ));
                let _ = handed.wait_for(|handed| rows.iter().all(|row| handed.contains(row))).await;
            }
            while clients.join_next().await.is_some() {}
        });
    }

    async fn disconnect(&self) {
        self.breaks.send_modify(|breaks| *breaks += 1);
    }
}

#[async_trait]
impl ExactlyOnceWorld for Port {
    async fn open_in(&self, _: Lease, context: SourceContext) -> Reader {
        let opened = async {
            loop {
                // A reader that was dropped closes its port a moment later.
                match Http::open(&conf(self.port, "/rows"), params(|_| {}), context.clone()).await {
                    Ok(http) => return Reader { http, handed: self.handed.clone() },
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
        };
        timeout(support::LONG, opened).await.expect("the port is never free")
    }
}

/// Posts, and posts again until it is told that the rows are done.
async fn client(port: u16, request: Vec<u8>, mut breaks: watch::Receiver<usize>) {
    loop {
        tokio::select! {
            answer = send(port, &request) => match answer {
                Ok(answer) if answer.status == 200 => return,
                Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                Err(_) => {}
            },
            _ = breaks.changed() => {}
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// The source, and a note of what it has handed out.
struct Reader {
    http: Http,
    handed: watch::Sender<BTreeSet<String>>,
}

#[async_trait]
impl Source for Reader {
    const TYPE: &'static str = Http::TYPE;
    type Params = HttpParams;

    async fn open(conf: &SourceConf, params: HttpParams, context: SourceContext) -> Result<Self> {
        Ok(Self {
            http: Http::open(conf, params, context).await?,
            handed: watch::Sender::default(),
        })
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        let delivery = self.http.next().await?;
        if let Some(delivery) = &delivery {
            let rows = delivery.batch().to_ndjson()?;
            self.handed.send_modify(|handed| handed.extend(rows.lines().map(str::to_owned)));
        }
        Ok(delivery)
    }

    async fn close(self) -> Result<()> {
        self.http.close().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_keeps_its_rules() {
    conformance::source(&Ports).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_exactly_once_by_the_keys_of_their_posts() {
    conformance::exactly_once(&Ports).await;
}
