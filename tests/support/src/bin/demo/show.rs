//! What is printed: tables, and what to try next.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use kube::ResourceExt;
use kube::api::ListParams;
use support::Result;
use support::assets::locate;

use crate::{Demo, key};

impl Demo {
    pub(crate) fn table(&self, kinds: &str) -> Result<()> {
        println!("\n$ kubectl get {kinds}");
        let status = Command::new(kubectl()?)
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["-n", &self.namespace, "get", kinds])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("kubectl get {kinds} ended with {status}").into())
        }
    }

    pub(crate) async fn hints(&self) -> Result<()> {
        let items = self.findings().list(&ListParams::default()).await?.items;
        let first = items
            .iter()
            .find_map(|finding| Some((finding.name_any(), key(finding)?)));
        let (name, key) = first.ok_or("no finding has a ticket")?;
        println!("\nThe board: {}/", self.jira);
        println!("\nTry, in another terminal:");
        println!("  export KUBECONFIG={}", self.kubeconfig.display());
        println!("  kubectl -n {} get sf --watch", self.namespace);
        println!("and then");
        println!("  move {key} at {}/browse/{key} and see the finding follow", self.jira);
        println!(
            "  kubectl -n {} patch sf {name} --type=merge -p '{{\"spec\":{{\"state\":\"Fixed\"}}}}'",
            self.namespace
        );
        println!("\nCtrl-C ends it and leaves nothing behind.");
        Ok(())
    }
}

/// The `kubectl` on PATH, else the one that was built with the control plane.
fn kubectl() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|dir| dir.join("kubectl"))
        .find(|file| file.is_file());
    found.map_or_else(|| Ok(locate()?.join("kubectl")), Ok)
}
