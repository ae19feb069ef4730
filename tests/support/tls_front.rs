//! TLS in front of a server that has none, with a certificate of an authority of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Ends with the test.
pub struct TlsFront {
    pub address: SocketAddr,
    /// The authority's certificate, in PEM.
    pub authority: String,
}

impl TlsFront {
    pub fn start(to: SocketAddr) -> TlsFront {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        let root = params.self_signed(&key).expect("ring signs");
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().expect("ring makes keys");
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address is a name");
        let leaf = leaf.signed_by(&own, &issuer).expect("ring signs");
        let secret = PrivateKeyDer::try_from(own.serialize_der()).expect("it is PKCS 8");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], secret)
            .expect("key and certificate belong together");
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
                let _ = sender.send(listener.local_addr().expect("it has an address"));
                let acceptor = TlsAcceptor::from(Arc::new(config));
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        let mut near = acceptor.accept(stream).await?;
                        let mut far = TcpStream::connect(to).await?;
                        tokio::io::copy_bidirectional(&mut near, &mut far).await
                    });
                }
            });
        });
        let address = receiver.recv().expect("it listens");
        TlsFront { address, authority: root.pem() }
    }
}
