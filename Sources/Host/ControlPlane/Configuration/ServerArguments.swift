/// The command lines of the servers.
///
/// Only flags that every version from 1.20 on has are given without a condition.
struct ServerArguments {
    let spec: ControlPlaneSpec
    let files: ControlPlaneFiles
    let version: KubernetesVersion

    /// The arguments after the program's name.
    func of(_ server: ControlPlaneServer) -> [String] {
        let own =
            switch server {
            case .etcd: etcd
            case .apiServer: apiServer
            case .controllerManager: controllerManager
            case .scheduler: scheduler
            case .datapathOperator, .cloudController: [files.configuration(of: server)]
            }
        return own + spec.extraArguments[server, default: []]
    }

    private var etcdAddress: String { "https://127.0.0.1:2379" }

    /// One member, which elects itself: with the default times (100 and 1,000 ms) it takes up to 1.8 s to be ready,
    /// with these some 0.2 s. Shorter ones cost more at rest: at 10 ms it takes 2.3 % of a core, at 25 ms 1.3 %.
    private var etcd: [String] {
        let peer = "http://127.0.0.1:2380"
        return [
            "--name=\(spec.clusterName)", "--data-dir=\(files.etcdData)", "--listen-client-urls=\(etcdAddress)",
            "--advertise-client-urls=\(etcdAddress)", "--listen-peer-urls=\(peer)",
            "--initial-advertise-peer-urls=\(peer)", "--initial-cluster=\(spec.clusterName)=\(peer)",
            "--cert-file=\(files.etcd.certificate)", "--key-file=\(files.etcd.key)",
            "--trusted-ca-file=\(files.etcdAuthority)", "--client-cert-auth=true", "--heartbeat-interval=25",
            "--election-timeout=125", "--quota-backend-bytes=\(512 << 20)",
        ]
    }

    private var apiServer: [String] {
        let issuer = "https://kubernetes.default.svc.\(spec.clusterDomain)"
        return [
            "--advertise-address=\(spec.address)", "--bind-address=0.0.0.0", "--secure-port=\(spec.port)",
            "--tls-cert-file=\(files.apiServer.certificate)", "--tls-private-key-file=\(files.apiServer.key)",
            "--client-ca-file=\(files.authority)", "--anonymous-auth=false", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
            "--service-cluster-ip-range=\(spec.serviceCIDR)", "--etcd-servers=\(etcdAddress)",
            "--etcd-cafile=\(files.etcdAuthority)", "--etcd-certfile=\(files.etcdClient.certificate)",
            "--etcd-keyfile=\(files.etcdClient.key)", "--service-account-issuer=\(issuer)",
            "--service-account-key-file=\(files.accountsPublicKey)",
            "--service-account-signing-key-file=\(files.accountsKey)",
            "--kubelet-client-certificate=\(files.kubeletClient.certificate)",
            "--kubelet-client-key=\(files.kubeletClient.key)", "--kubelet-certificate-authority=\(files.authority)",
            "--kubelet-preferred-address-types=InternalIP", "--requestheader-client-ca-file=\(files.proxyAuthority)",
            "--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--proxy-client-cert-file=\(files.proxyClient.certificate)",
            "--proxy-client-key-file=\(files.proxyClient.key)",
            // No kube-proxy runs beside it: what is behind a service is asked at its endpoints' addresses.
            "--enable-aggregator-routing=true", "--audit-policy-file=\(files.auditPolicy)",
            "--audit-log-path=\(files.auditLog)", "--audit-log-maxsize=32", "--audit-log-maxbackup=1",
        ] + shortList
    }

    /// The groups that labs need, and no others: it saves a third of the API server's start and of its memory. Which
    /// groups are enough differs by version, and a list that is too short never becomes ready, so newer ones serve what
    /// they serve by default.
    private var shortList: [String] {
        guard version.isBefore(minor: 21) else { return [] }
        let groups = [
            "api/v1", "apps/v1", "batch/v1", "batch/v1beta1", "rbac.authorization.k8s.io/v1",
            "coordination.k8s.io/v1",
            "discovery.k8s.io/v1beta1", "scheduling.k8s.io/v1", "storage.k8s.io/v1", "admissionregistration.k8s.io/v1",
            "apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1", "events.k8s.io/v1", "authentication.k8s.io/v1",
            "authorization.k8s.io/v1", "node.k8s.io/v1", "networking.k8s.io/v1", "policy/v1beta1", "autoscaling/v1",
            "certificates.k8s.io/v1",
        ]
        let list = (["api/all=false"] + groups.map { "\($0)=true" }).joined(separator: ",")
        return ["--runtime-config=\(list)", "--feature-gates=APIPriorityAndFairness=false"]
    }

    private var controllerManager: [String] {
        var arguments =
            client(.controllerManager) + serving(.controllerManager) + [
                "--cluster-name=\(spec.clusterName)", "--use-service-account-credentials=false",
                "--root-ca-file=\(files.authority)", "--service-account-private-key-file=\(files.accountsKey)",
                "--cluster-signing-cert-file=\(files.authority)", "--cluster-signing-key-file=\(files.authorityKey)",
            ]
        if let size = spec.nodeCIDRMaskSize, !spec.podCIDRs.isEmpty {
            arguments += [
                "--allocate-node-cidrs=true", "--cluster-cidr=\(spec.podCIDRs.joined(separator: ","))",
                "--service-cluster-ip-range=\(spec.serviceCIDR)", "--node-cidr-mask-size=\(size)",
            ]
        }
        return arguments
    }

    private var scheduler: [String] { client(.scheduler) + serving(.scheduler) }

    /// How a server finds the API server. The default of 20 requests a second makes a deployment of hundreds of pods
    /// take a minute.
    private func client(_ user: ControlPlaneUser) -> [String] {
        [
            "--kubeconfig=\(files.kubeconfig(user))", "--leader-elect=false", "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]
    }

    /// Health on the loopback interface; until 1.22 a second time without TLS, which is switched off.
    private func serving(_ server: ControlPlaneServer) -> [String] {
        [
            "--bind-address=127.0.0.1", "--secure-port=\(server.loopbackPort ?? 0)",
            "--tls-cert-file=\(files.loopback.certificate)", "--tls-private-key-file=\(files.loopback.key)",
        ] + (version.isBefore(minor: 23) ? ["--port=0"] : [])
    }
}
