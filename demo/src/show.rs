//! What is printed: tables, and what to try next.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kube::ResourceExt;
use kube::api::ListParams;
use support::Result;
use support::assets::locate;

use crate::{Demo, key};

/// Most lines of a table.
const ROWS: usize = 16;

impl Demo {
    /// Prints what `kubectl get` says, the beginning of it where it is long.
    pub(crate) fn table(&self, kinds: &str) -> Result<()> {
        println!("\n$ kubectl get {kinds}");
        let output = Command::new(kubectl()?)
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["-n", &self.namespace, "get", kinds])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("kubectl get {kinds} ended with {}", output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let lines: Vec<_> = text.lines().collect();
        for line in lines.iter().take(ROWS) {
            println!("{line}");
        }
        if lines.len() > ROWS {
            println!("(and {} more)", lines.len() - ROWS);
        }
        Ok(())
    }

    pub(crate) async fn hints(&self) -> Result<()> {
        let items = self.findings().list(&ListParams::default()).await?.items;
        let mut ticketed = items
            .iter()
            .filter_map(|finding| Some((finding.name_any(), key(finding)?)));
        let ((_, moved), (fixed, closed)) = ticketed.next().zip(ticketed.next()).ok_or("two tickets are needed")?;
        let (kubectl, namespace) = (kubectl()?, &self.namespace);
        let kubectl = kubectl.display();
        println!("\nThe board: {}/", self.jira);
        println!("\nTry, in another terminal:");
        println!("  export KUBECONFIG={}", self.kubeconfig.display());
        println!("  {kubectl} -n {namespace} get sf --watch");
        println!("and then");
        println!(
            "  move {moved} at {}/browse/{moved} and see its finding follow",
            self.jira
        );
        println!("  {kubectl} -n {namespace} patch sf {fixed} --type=merge -p '{{\"spec\":{{\"state\":\"Fixed\"}}}}'");
        println!("  and see {closed} go to Done");
        println!("\nCtrl-C ends it and leaves nothing behind.");
        Ok(())
    }
}

/// The `kubectl` on PATH, by its name, else the path of the one that was built with the control plane.
fn kubectl() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|dir| dir.join("kubectl").is_file());
    if found {
        return Ok("kubectl".into());
    }
    let built = locate()?.join("kubectl");
    if built.is_file() {
        Ok(built)
    } else {
        Err("kubectl is needed, on PATH or in KUBEBUILDER_ASSETS".into())
    }
}
