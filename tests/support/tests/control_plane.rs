//! The harness itself: a control plane starts, serves, and leaves nothing behind, however its owner ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::ListParams;
use support::cluster::client;
use support::manifests::apply_yaml;
use support::{ControlPlane, Result, assets, eventually};

const SOON: Duration = Duration::from_secs(20);

/// Whether a process runs; one that ended and was not yet collected does not.
fn runs(pid: &str) -> bool {
    let listed = Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .expect("ps can be run");
    let state = String::from_utf8_lossy(&listed.stdout).trim().to_string();
    !state.is_empty() && !state.starts_with('Z')
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_control_plane_leaves_nothing() -> Result<()> {
    let running = ControlPlane::start(&assets::locate()?).await?;
    let namespace = running.create_namespace("harness").await?;
    assert!(
        Api::<Namespace>::all(running.admin_client())
            .get_opt(&namespace)
            .await?
            .is_some()
    );

    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n";
    assert_eq!(
        apply_yaml(&running.admin_client(), text, Some(&namespace)).await?.len(),
        2
    );
    let maps = Api::<ConfigMap>::namespaced(running.admin_client(), &namespace)
        .list(&ListParams::default())
        .await?;
    assert_eq!(maps.items.len(), 2);

    // A service account is somebody, and may do nothing that RBAC does not grant.
    let path = running.service_account_kubeconfig(&namespace, "nobody").await?;
    let nobody = client(&std::fs::read_to_string(path)?).await?;
    let refused = Api::<Secret>::namespaced(nobody, &namespace)
        .list(&ListParams::default())
        .await;
    assert!(
        matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403),
        "{refused:?}"
    );

    let pids = running.pids().map(|pid| pid.to_string());
    let directory = running.directory().to_path_buf();
    drop(running);
    assert!(!pids.iter().any(|pid| runs(pid)));
    assert!(!directory.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owner_leaves_nothing() -> Result<()> {
    assets::locate()?;
    let mut owner = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(owner.stdout.take().expect("it is piped")).read_line(&mut line)?;
    let directory = Path::new(line.trim())
        .parent()
        .expect("a file lies in a directory")
        .to_path_buf();
    let listed = Command::new("ps").args(["-e", "-o", "pid=,args="]).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mine = |line: &&str| line.contains(&directory.display().to_string());
    let pids: Vec<_> = listed
        .lines()
        .filter(mine)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(pids.len() >= 2, "{listed}");

    owner.kill()?;
    owner.wait()?;
    eventually(SOON, "the end of every child", || async {
        let left: Vec<_> = pids.iter().filter(|pid| runs(pid)).collect();
        if left.is_empty() {
            Ok(Some(()))
        } else {
            Err(format!("still there: {left:?}").into())
        }
    })
    .await?;
    eventually(SOON, "the removal of the directory", || async {
        Ok((!directory.exists()).then_some(()))
    })
    .await
}
