//! Starts a control plane, prints its kubeconfig's path, and keeps it until Ctrl-C or the end of standard input.

use support::{ControlPlane, Result, assets};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<()> {
    let running = ControlPlane::start(&assets::locate()?).await?;
    let path = running.directory().join("admin.kubeconfig");
    running.kubeconfig(&path)?;
    println!("{}", path.display());
    let (ended, end) = oneshot::channel();
    // A thread, because a read of standard input cannot be cancelled and would hold up the runtime's end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = end => {}
    }
    Ok(())
}
