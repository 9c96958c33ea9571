import NIOCore
import TLS

/// Who a client's certificate says that it is: the subject's common name is the user, its organizations are the groups,
/// as Kubernetes reads them.
struct PeerIdentity: Sendable, Hashable {
    var user: String
    var groups: [String]

    init(user: String, groups: [String] = []) {
        self.user = user
        self.groups = groups
    }

    /// - Returns: nil if the certificate names no user.
    init?(_ peer: TLSPeer) {
        guard !peer.commonName.isEmpty else { return nil }
        self.init(user: peer.commonName, groups: peer.organizations)
    }

    /// The client of a connection; nil if it has shown no certificate. It is asked on the channel's event loop.
    static func ofClient(_ channel: any Channel) -> PeerIdentity? {
        (try? channel.pipeline.syncOperations.handler(type: TLSHandler.self))?.peer.flatMap { PeerIdentity($0) }
    }
}

/// Who may use the kubelet's API. Certificates that the lab's authority did not sign never may: TLS refuses them.
public struct KubeletAccess: Sendable, Hashable {
    /// Common names of certificates.
    public var users: Set<String>
    /// Organizations of certificates.
    public var groups: Set<String>

    /// The API server's client certificate for kubelets, and administrators.
    public init(users: Set<String> = ["kube-apiserver-kubelet-client"], groups: Set<String> = ["system:masters"]) {
        self.users = users
        self.groups = groups
    }

    /// - Throws: `KubeletRefusal`: 401 for a client without a certificate, 403 for one that may not.
    func check(_ identity: PeerIdentity?, _ request: KubeletRequest) throws(KubeletRefusal) {
        guard let identity else { throw KubeletRefusal(status: 401, message: "Unauthorized") }
        guard users.contains(identity.user) || !groups.isDisjoint(with: identity.groups) else {
            throw KubeletRefusal(
                status: 403,
                message: "Forbidden (user=\(identity.user), verb=\(request.verb), resource=nodes, "
                    + "subresource=\(request.subresource))")
        }
    }
}
