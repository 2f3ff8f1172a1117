//! `mqtt-inquiry`: what a device asks of its own rows, against a request and its answer through
//! mosquitto. Same TLS, same client, QoS 1 both ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::broker::Broker;
use super::device_line::{DeviceLine, FleetDevice};
use super::figures::{Report, Rounds, ours_to_yardstick, yardstick_to_ours};
use super::load::{Measured, cpu_time};
use super::stage::Stage;
use super::{BenchError, CONNECTIONS, Options, fleet, progress};

/// How long an answer may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures it.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let gateway = stage.serve()?;
    let mut devices = fleet::host(&stage.domain, 0..CONNECTIONS.saturating_add(1)).await?;
    let echo = devices
        .pop()
        .ok_or(BenchError::NoServer("the echo's device"))?;
    let devices = Arc::new(devices);
    let address = stage.domain.mqtt_address();
    establish(&devices, address).await?;
    let mut ours = Inquirers::connect((address, gateway.pid()), &devices).await?;
    let broker = Broker::start(&stage.domain, stage.cores).await?;
    broker
        .answer_with(&echo, ours.first_answer().await?)
        .await?;
    let mut theirs = Inquirers::connect((broker.address, broker.pid()), &devices).await?;
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, "measuring inquiries of devices");
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let pair = (ours.run(span).await?, theirs.run(span).await?);
        // The first round warms both up.
        if round > 0 {
            measured.add(pair.0, pair.1);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    report.begin(
        &format!("inquiries of {CONNECTIONS} devices over MQTT, QoS 1, mutual TLS"),
        ["gateway", "mosquitto"],
    );
    report.tell(&measured.rate("mqtt_inquiry", stage.rows, ours_to_yardstick));
    report.tell(&measured.cpu("mqtt_inquiry", stage.rows, yardstick_to_ours));
    Ok(())
}

/// Each device says that it holds its row.
async fn establish(devices: &[FleetDevice], address: SocketAddr) -> Result<(), BenchError> {
    for device in devices {
        let (mut line, document) = fleet::fetch_document(address, device).await?;
        fleet::acknowledge(&mut line, device, &document).await?;
    }
    Ok(())
}

/// Devices that ask, each one question at a time.
struct Inquirers {
    lines: Vec<(DeviceLine, Arc<Topics>)>,
    pid: u32,
}

struct Topics {
    question: String,
    answer: String,
}

impl Inquirers {
    async fn connect(
        (address, pid): (SocketAddr, u32),
        devices: &[FleetDevice],
    ) -> Result<Self, BenchError> {
        let mut lines = Vec::with_capacity(devices.len());
        for device in devices {
            let mut line = DeviceLine::connect(address, device).await?;
            line.subscribe(&device.topic("inq/r/accepted")).await?;
            let topics = Topics {
                question: device.topic("inq/r"),
                answer: device.topic("inq/r/accepted"),
            };
            lines.push((line, Arc::new(topics)));
        }
        Ok(Self { lines, pid })
    }

    /// What is answered: the row.
    async fn first_answer(&mut self) -> Result<Vec<u8>, BenchError> {
        let (line, topics) = self
            .lines
            .first_mut()
            .ok_or(BenchError::NoServer("a device"))?;
        Ok(line.ask(&topics.question, &topics.answer).await?.payload)
    }

    async fn run(&mut self, span: Duration) -> Result<Measured, BenchError> {
        let answered = Arc::new(AtomicU64::new(0));
        let (cpu, start) = (cpu_time(self.pid)?, Instant::now());
        let mut tasks = Vec::with_capacity(self.lines.len());
        for (mut line, topics) in self.lines.drain(..) {
            let answered = Arc::clone(&answered);
            tasks.push(tokio::spawn(async move {
                while start.elapsed() < span {
                    let asked = line.ask(&topics.question, &topics.answer);
                    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
                    timeout(PATIENCE, asked).await.map_err(late)??;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, BenchError>((line, topics))
            }));
        }
        for task in tasks {
            let line = task.await.map_err(std::io::Error::other)??;
            self.lines.push(line);
        }
        Measured::since(start, (self.pid, cpu), &answered)
    }
}
