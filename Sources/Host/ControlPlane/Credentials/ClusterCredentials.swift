import Certificates
import Files
import Foundation
import KubeClient
import NetAddress
import ServerProgram

/// The authority of a cluster, and every key and certificate that its servers start with.
struct ClusterCredentials: Sendable {
    private let authority: CertificateAuthority
    private let spec: ControlPlaneSpec
    private let serviceAddress: IPv4Address
    private let address: IPv4Address
    /// etcd has an authority of its own: no other client certificate of the cluster opens it.
    private let etcd: CertificateAuthority
    private let etcdClient: IssuedCertificate
    let admin: KubeServer

    var servers: [ControlPlaneServer] { spec.servers }
    private var authorityPEM: String { authority.certificatePEM }

    /// Makes the authority and the administrator's certificate. Nothing is written yet.
    init(_ spec: ControlPlaneSpec) throws {
        let services = IPv4CIDR(network: spec.serviceCIDR)
        guard let first = services?.host(1), let last = services?.broadcast, first < last else {
            throw ControlPlaneError(
                .invalidSpec, "the services' range “\(spec.serviceCIDR)” is no range of addresses")
        }
        guard let address = IPv4Address(spec.address), address.octets[0] != 127 else {
            throw ControlPlaneError(
                .invalidSpec, "“\(spec.address)” is no address for an API server",
                mend: "give an IPv4 address other than a loopback one")
        }
        self.spec = spec
        self.address = address
        serviceAddress = first
        authority = try CertificateAuthority("\(spec.clusterName)-authority")
        admin = try Self.server(spec, authority, .admin)
        etcd = try CertificateAuthority("\(spec.clusterName)-etcd-authority")
        etcdClient = try etcd.issue(CertificateSubject("kube-apiserver-etcd-client", for: [.client]))
    }

    /// Where a server tells its health, and how it is asked.
    func healthServer(_ server: ControlPlaneServer) -> KubeServer {
        guard let port = server.loopbackPort else { return admin }
        guard server == .etcd else {
            return KubeServer(host: "127.0.0.1", port: port, authorityPEM: authorityPEM, credential: .none)
        }
        return KubeServer(
            host: "127.0.0.1", port: port, authorityPEM: etcd.certificatePEM,
            credential: .certificate(chainPEM: etcdClient.certificatePEM, keyPEM: etcdClient.keyPEM))
    }

    /// The API server with a new client certificate of the user.
    func server(for user: ControlPlaneUser) throws -> KubeServer { try Self.server(spec, authority, user) }

    private static func server(
        _ spec: ControlPlaneSpec, _ authority: CertificateAuthority, _ user: ControlPlaneUser
    ) throws -> KubeServer {
        let issued = try authority.issue(
            CertificateSubject(user.name, organizations: user.groups, for: [.client]))
        return KubeServer(
            host: spec.address, port: spec.port, authorityPEM: authority.certificatePEM,
            credential: .certificate(chainPEM: issued.certificatePEM, keyPEM: issued.keyPEM))
    }

    /// New credentials of a node.
    func node(_ node: ControlPlaneNode) throws -> NodeCredentials {
        guard let address = IPv4Address(node.address) else {
            throw ControlPlaneError(.invalidSpec, "node \(node.name): “\(node.address)” is no IPv4 address")
        }
        let user = ControlPlaneUser.node(node.name)
        let serving = try authority.issue(
            CertificateSubject(
                user.name, organizations: user.groups, for: [.server], dnsNames: [node.name], addresses: [address]))
        return NodeCredentials(
            server: try server(for: user), servingCertificatePEM: serving.certificatePEM,
            servingKeyPEM: serving.keyPEM, clientAuthorityPEM: authority.certificatePEM)
    }

    /// A certificate of the API server, for its address, the service `kubernetes` and their names.
    func apiServer() throws -> IssuedCertificate {
        let service = "kubernetes.default.svc"
        let names = ["kubernetes", "kubernetes.default", service, "\(service).\(spec.clusterDomain)", "localhost"]
        return try authority.issue(
            CertificateSubject(
                "kube-apiserver", for: [.server], dnsNames: names + spec.names,
                addresses: [address, serviceAddress, .loopback]))
    }

    /// Writes what the servers read, each a file of mode 0600. The folder is there already.
    func write(to files: ControlPlaneFiles) throws {
        try write(authority.certificatePEM, to: files.authority)
        try write(try authority.keyPEM(), to: files.authorityKey)
        try write(try apiServer(), to: files.apiServer)
        try write(
            try authority.issue(
                CertificateSubject(
                    "kube-apiserver-kubelet-client", organizations: ["system:masters"], for: [.client])),
            to: files.kubeletClient)
        try write(etcd.certificatePEM, to: files.etcdAuthority)
        // etcd's own gateway is a client with the server's certificate.
        try write(
            try etcd.issue(
                CertificateSubject(
                    "etcd", for: [.server, .client], dnsNames: ["localhost"], addresses: [.loopback])),
            to: files.etcd)
        try write(etcdClient, to: files.etcdClient)
        let proxy = try CertificateAuthority("\(spec.clusterName)-front-proxy-authority")
        try write(proxy.certificatePEM, to: files.proxyAuthority)
        try write(
            try proxy.issue(CertificateSubject("front-proxy-client", for: [.client])), to: files.proxyClient)
        let loopback = try authority.issue(
            CertificateSubject(
                "kube-control-plane", for: [.server], dnsNames: ["localhost"], addresses: [.loopback]))
        try write(loopback, to: files.loopback)
        for (server, settings) in spec.ownSettings {
            try write(try configuration(of: server, settings, loopback), to: files.configuration(of: server))
        }
        let accounts = try KeyPair()
        try write(try accounts.privatePEM(), to: files.accountsKey)
        try write(try accounts.publicPEM(), to: files.accountsPublicKey)
        for user in [ControlPlaneUser.admin, .controllerManager, .scheduler] {
            let server = user == .admin ? admin : try server(for: user)
            try write(
                try Kubeconfig(server, user: user.name, cluster: spec.clusterName).text, to: files.kubeconfig(user))
        }
    }

    /// The configuration of a program that labrun brings itself: JSON.
    private func configuration(
        of server: ControlPlaneServer, _ settings: String, _ serving: IssuedCertificate
    ) throws -> String {
        guard let port = server.loopbackPort, server.isOwn else {
            throw ControlPlaneError(.invalidSpec, "\(server) is no program of labrun's own, and has no settings")
        }
        let configuration = ServerConfiguration(
            server: try self.server(for: .own(server)), healthPort: port,
            servingCertificatePEM: serving.certificatePEM, servingKeyPEM: serving.keyPEM, settings: settings)
        return String(decoding: try JSONEncoder().encode(configuration), as: UTF8.self)
    }

    func write(_ issued: IssuedCertificate, to pair: ControlPlaneFiles.Pair) throws {
        try write(issued.certificatePEM, to: pair.certificate)
        try write(issued.keyPEM, to: pair.key)
    }

    private func write(_ text: String, to path: String) throws {
        try AtomicFile.write(text, to: path, mode: 0o600)
    }
}
