public import KubeClient

/// What a node needs to be one of the cluster.
public struct NodeCredentials: Sendable, Hashable, Codable {
    /// The API server, and the client certificate of `system:node:NAME`.
    public var server: KubeServer
    /// The certificate of the kubelet's own API, for the node's name and address.
    public var servingCertificatePEM: String
    /// Its key. A secret.
    public var servingKeyPEM: String
    /// The authority whose client certificates the kubelet lets in: the API server's is `kube-apiserver-kubelet-client`
    /// in the group `system:masters`.
    public var clientAuthorityPEM: String
}
