//! `devices`: what thousands of connected devices take, and how long they take to be back after a
//! restart; both for a bare server's under the same TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device_line::FleetDevice;
use super::figures::{Figure, Report, ours_to_yardstick};
use super::load::cpu_time;
use super::stage::{Server, Stage};
use super::{BenchError, Options, fleet};

/// How many connect at once: what their backoff leaves of a thundering herd, and the kernel of
/// first packets.
const AT_ONCE: usize = 256;
/// How many are connected before memory is weighed: what is made once is made by then.
const FIRST: usize = 64;

/// What a storm of connections came to.
struct Storm {
    /// Until the last device has its document.
    took: Duration,
    /// CPU time of the server for each.
    cpu: Duration,
    /// Memory of the server for each that stays, bytes.
    memory: f64,
}

/// Measures it.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure(
    stage: &Stage,
    options: Options,
    report: Report,
) -> Result<(), BenchError> {
    let count = options.devices();
    let gateway = stage.serve()?;
    let address = stage.domain.mqtt_address();
    // Behind those of other benches.
    let devices = fleet::host(&stage.domain, 100_000..100_000 + count + FIRST).await?;
    let devices = Arc::new(devices);
    let document = establish(&devices, address).await?;
    gateway.end()?;
    let gateway = stage.serve()?;
    let ours = storm((&gateway, address), &devices).await?;
    gateway.end()?;
    let bare = stage.serve_bare_devices(document)?;
    let theirs = storm((&bare, bare.address), &devices).await?;
    report.begin(
        &format!("{count} devices come back after a restart, {AT_ONCE} at once, and stay"),
        ["gateway", "bare"],
    );
    let figure = |name: &str, unit, value, yardstick| Figure {
        name: format!("devices.{name}"),
        unit,
        value,
        yardstick: Some(yardstick),
        ratio: Some(ours_to_yardstick(value, yardstick)),
        rows: count,
    };
    let seconds = [ours.took, theirs.took].map(|took| took.as_secs_f64());
    report.tell(&figure("back", "s", seconds[0], seconds[1]));
    let micros = [ours.cpu, theirs.cpu].map(|cpu| cpu.as_secs_f64() * 1e6);
    report.tell(&figure("connect.cpu", "us/device", micros[0], micros[1]));
    report.tell(&figure(
        "idle_connection",
        "bytes",
        ours.memory,
        theirs.memory,
    ));
    Ok(())
}

/// Each device takes its document and says that it holds it; answers how long a document is.
async fn establish(
    devices: &Arc<Vec<FleetDevice>>,
    address: SocketAddr,
) -> Result<usize, BenchError> {
    let mut tasks = tokio::task::JoinSet::new();
    let mut longest = 0;
    for n in 0..devices.len() {
        while tasks.len() >= AT_ONCE {
            let done = tasks.join_next().await;
            longest = longest.max(length_of(done)?);
        }
        let devices = Arc::clone(devices);
        tasks.spawn(async move {
            let Some(device) = devices.get(n) else {
                return Ok(0);
            };
            let (mut line, document) = fleet::fetch_document(address, device).await?;
            fleet::acknowledge(&mut line, device, &document).await?;
            Ok(document.len())
        });
    }
    while let done @ Some(_) = tasks.join_next().await {
        longest = longest.max(length_of(done)?);
    }
    Ok(longest)
}

type Done = Option<Result<Result<usize, BenchError>, tokio::task::JoinError>>;

fn length_of(done: Done) -> Result<usize, BenchError> {
    done.map_or(Ok(0), |done| done.map_err(std::io::Error::other)?)
}

async fn storm(
    (server, address): (&Server, SocketAddr),
    devices: &Arc<Vec<FleetDevice>>,
) -> Result<Storm, BenchError> {
    let all = devices.len();
    let first = fleet::connect_all((devices, 0..FIRST), address, AT_ONCE).await?;
    let (memory, cpu, began) = (server.resident()?, cpu_time(server.pid())?, Instant::now());
    let lines = fleet::connect_all((devices, FIRST..all), address, AT_ONCE).await?;
    let took = began.elapsed();
    let cpu = cpu_time(server.pid())?.saturating_sub(cpu);
    let memory = server.resident()?.saturating_sub(memory);
    let count = lines.len().max(1) as f64;
    drop((first, lines));
    Ok(Storm {
        took,
        cpu: cpu.div_f64(count),
        memory: memory as f64 / count,
    })
}
