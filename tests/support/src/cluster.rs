//! A real Kubernetes control plane for one test run: etcd and an API server on free loopback ports.
//!
//! RBAC is on and service account tokens are real, so that the operator runs as it does in a cluster. There is no
//! controller manager: namespaces get no default service account and a deleted namespace keeps terminating, which is
//! why every test takes a namespace of its own and leaves it behind. The `ServiceAccount` admission plugin, which only
//! concerns pods, is off for the same reason.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use crate::error::Result;
use crate::process::{Guarded, Scratch};
use crate::wait::eventually;

/// How long the API server may take to become ready, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// Another process may take a port between our look and the server's; then the start is repeated with new ones.
const ATTEMPTS: u32 = 3;

/// A running etcd and API server; dropping it stops both and removes their data.
pub struct ControlPlane {
    // Fields drop in this order: first the processes, then the directory they write to.
    api_server: Guarded,
    etcd: Guarded,
    scratch: Scratch,
    server: String,
    ca: String,
    admin: Client,
    admin_token: String,
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlane")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// Starts both programs from the directory `assets` and waits until the API server says that it is ready.
    pub async fn start(assets: &Path) -> Result<Self> {
        // Two of rustls' providers may be linked into one binary; this names the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(assets).await {
                Ok(running) => return Ok(running),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("at least one attempt was made"))
    }

    async fn attempt(assets: &Path) -> Result<Self> {
        let scratch = Scratch::new("jfo-control-plane-")?;
        let dir = scratch.path();
        let ca = write_credentials(dir)?;
        let admin_token = token()?;
        fs::write(
            dir.join("tokens.csv"),
            format!("{admin_token},admin,admin,\"system:masters\"\n"),
        )?;

        let etcd_url = format!("http://127.0.0.1:{}", free_port()?);
        let etcd = Guarded::spawn(
            &assets.join("etcd"),
            [
                format!("--data-dir={}", dir.join("etcd").display()),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                "--listen-peer-urls=http://127.0.0.1:0".into(),
                // The data dies with the run, so nothing waits for the disk.
                "--unsafe-no-fsync=true".into(),
                "--log-level=warn".into(),
            ],
            &[],
            &dir.join("etcd.log"),
        )?;

        let port = free_port()?;
        let server = format!("https://127.0.0.1:{port}");
        let file = |name: &str| dir.join(name).display().to_string();
        let api_server = Guarded::spawn(
            &assets.join("kube-apiserver"),
            [
                format!("--etcd-servers={etcd_url}"),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                "--endpoint-reconciler-type=none".into(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", dir.display()),
                format!("--tls-cert-file={}", file("server.crt")),
                format!("--tls-private-key-file={}", file("server.key")),
                format!("--token-auth-file={}", file("tokens.csv")),
                "--authorization-mode=RBAC".into(),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-account-key-file={}", file("service-accounts.pub")),
                format!("--service-account-signing-key-file={}", file("service-accounts.key")),
                "--service-cluster-ip-range=10.0.0.0/24".into(),
                "--disable-admission-plugins=ServiceAccount".into(),
            ],
            &[],
            &dir.join("kube-apiserver.log"),
        )?;

        let admin = client(&kubeconfig_yaml(&server, &ca, "admin", &admin_token, "default")).await?;
        let mut running = Self {
            api_server,
            etcd,
            scratch,
            server,
            ca,
            admin,
            admin_token,
        };
        running.wait_until_ready().await?;
        Ok(running)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let admin = self.admin.clone();
        let ready = eventually(READY_WITHIN, "the API server's /readyz", || async {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            Ok(Some(admin.request_text(request).await?))
        });
        tokio::pin!(ready);
        loop {
            // A server that has ended, for want of its port say, need not be waited for.
            tokio::select! {
                outcome = &mut ready => break outcome.map(drop).map_err(|error| self.explain(&error.to_string()).into()),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let ended = [self.etcd.try_wait()?, self.api_server.try_wait()?];
            if let Some(status) = ended.into_iter().flatten().next() {
                return Err(self
                    .explain(&format!("a process of the control plane ended with {status}"))
                    .into());
            }
        }
    }

    fn explain(&self, what: &str) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.scratch.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(15).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!(
            "{what}\n--- etcd\n{}\n--- kube-apiserver\n{}",
            tail("etcd.log"),
            tail("kube-apiserver.log")
        )
    }

    /// A client that may do anything.
    pub fn admin_client(&self) -> Client {
        self.admin.clone()
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The directory with the logs; gone when this is dropped.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// The API server's log.
    pub fn api_server_log(&self) -> PathBuf {
        self.scratch.path().join("kube-apiserver.log")
    }

    /// The processes of the control plane.
    pub fn pids(&self) -> [u32; 2] {
        [self.etcd.id(), self.api_server.id()]
    }

    /// Writes a kubeconfig of the administrator.
    pub fn kubeconfig(&self, path: &Path) -> Result<()> {
        Ok(fs::write(
            path,
            kubeconfig_yaml(&self.server, &self.ca, "admin", &self.admin_token, "default"),
        )?)
    }

    /// A kubeconfig of the service account, made if it is missing, with a token from the API server; the file lies in
    /// [`Self::directory`].
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts = Api::<ServiceAccount>::namespaced(self.admin.clone(), namespace);
        if accounts.get_opt(name).await?.is_none() {
            let account = ServiceAccount {
                metadata: ObjectMeta {
                    name: Some(name.into()),
                    ..ObjectMeta::default()
                },
                ..ServiceAccount::default()
            };
            accounts.create(&PostParams::default(), &account).await?;
        }
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(24 * 60 * 60),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let issued = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await?;
        let token = issued
            .status
            .and_then(|status| status.token)
            .ok_or("the API server issued no token")?;
        let path = self.scratch.path().join(format!("{namespace}-{name}.kubeconfig"));
        fs::write(&path, kubeconfig_yaml(&self.server, &self.ca, name, &token, namespace))?;
        Ok(path)
    }

    /// Makes a namespace with a name of its own that begins with `prefix`.
    pub async fn create_namespace(&self, prefix: &str) -> Result<String> {
        create_namespace(&self.admin, prefix).await
    }

    /// Asks for the removal of a namespace. Without a controller manager it keeps terminating.
    pub async fn delete_namespace(&self, name: &str) -> Result<()> {
        Api::<Namespace>::all(self.admin.clone())
            .delete(name, &DeleteParams::default())
            .await?;
        Ok(())
    }
}

/// Makes a namespace with a name of its own that begins with `prefix`.
pub async fn create_namespace(client: &Client, prefix: &str) -> Result<String> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!(
        "{prefix}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(name)
}

/// A client from the text of a kubeconfig.
pub async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// JSON, which is YAML, so that nothing needs quoting by hand.
fn kubeconfig_yaml(server: &str, ca: &str, user: &str, token: &str, namespace: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": user,
        "clusters": [{
            "name": "control-plane",
            "cluster": {"server": server, "certificate-authority": ca},
        }],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{
            "name": user,
            "context": {"cluster": "control-plane", "user": user, "namespace": namespace},
        }],
    })
    .to_string()
}

/// Writes the serving certificate and the key that signs service account tokens; returns the path of the authority.
fn write_credentials(dir: &Path) -> Result<String> {
    let ca_key = KeyPair::generate()?;
    let mut ca_params = CertificateParams::default();
    ca_params
        .distinguished_name
        .push(DnType::CommonName, "jira-findings-operator tests");
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_path = dir.join("ca.crt");
    fs::write(&ca_path, ca_params.self_signed(&ca_key)?.pem())?;
    let issuer = Issuer::new(ca_params, ca_key);

    let server_key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()])?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    fs::write(dir.join("server.crt"), server.signed_by(&server_key, &issuer)?.pem())?;
    fs::write(dir.join("server.key"), server_key.serialize_pem())?;

    let accounts = KeyPair::generate()?;
    fs::write(dir.join("service-accounts.key"), accounts.serialize_pem())?;
    fs::write(dir.join("service-accounts.pub"), accounts.public_key_pem())?;
    Ok(ca_path.display().to_string())
}

/// A token nobody can guess: the text of a fresh key, which is random enough.
fn token() -> Result<String> {
    let key = KeyPair::generate()?.serialize_der();
    let secret = &key[key.len() - 32..];
    Ok(secret
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
