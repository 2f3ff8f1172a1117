//! Authorities, certificates and handshakes for tests, good and bad.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    ClientVerifier, Credential, Namespace, ServerCredential, TrustAnchor, client_config,
    server_config,
};
use crate::ambient::SystemClock;

pub(crate) struct SampleAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl SampleAuthority {
    pub(crate) fn new() -> Self {
        Self::with_key(KeyPair::generate().unwrap())
    }

    /// All of them have the same name.
    pub(crate) fn with_key(key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "the same for all");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    pub(crate) fn root(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(crate) fn anchor(&self, namespace: &str) -> TrustAnchor {
        TrustAnchor::new(self.certificate.clone(), namespace.parse().unwrap()).unwrap()
    }

    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> CertificateDer<'static> {
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }

    pub(crate) fn client(&self, uri: &str) -> Credential {
        self.credential(&client_params(&[uri]))
    }

    pub(crate) fn server(&self) -> Credential {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.credential(&params)
    }

    fn credential(&self, params: &CertificateParams) -> Credential {
        let key = KeyPair::generate().unwrap();
        let chain = vec![self.sign(params, &key)];
        Credential {
            chain,
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }
}

/// A good client certificate, to be spoiled.
pub(crate) fn client_params(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(crate) fn leaf_of(credential: &Credential) -> &[u8] {
    &credential.chain[0]
}

pub(crate) fn verifier_of(root: &[CertificateDer<'static>], of: Namespace) -> Arc<ClientVerifier> {
    Arc::new(ClientVerifier::new(
        vec![TrustAnchor::new(root[0].clone(), of).unwrap()],
        None,
    ))
}

pub(crate) fn server_of(
    verifier: Arc<ClientVerifier>,
    credential: Credential,
    tls12: bool,
) -> ServerConfig {
    let credential = Arc::new(ServerCredential::new(credential).unwrap());
    server_config(verifier, credential, Arc::new(SystemClock::new()), tls12).unwrap()
}

pub(crate) async fn handshake(
    verifier: Arc<ClientVerifier>,
    server: Credential,
    roots: Vec<CertificateDer<'static>>,
    client: Credential,
) -> io::Result<HandshakeKind> {
    let client = client_config(roots, client).unwrap();
    connect(
        &Arc::new(server_of(verifier, server, false)),
        &Arc::new(client),
    )
    .await
}

/// A handshake and one byte each way (in TLS 1.3 a client sees a refusal only when it reads).
pub(crate) async fn connect(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> io::Result<HandshakeKind> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let accepted = async {
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        Ok(stream.get_ref().1.handshake_kind().unwrap())
    };
    let connected = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(client))
            .connect(name, near)
            .await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, 7);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
        Ok(())
    };
    let (accepted, connected): (_, io::Result<()>) = tokio::join!(accepted, connected);
    connected.and(accepted)
}
