import JSON
import NodeProtocol
import Testing

@testable import RealKubelet

@Suite struct KubeletFilesTests {
    private var configuration: KubeletConfiguration {
        KubeletConfiguration(
            nodeName: "node1", address: "10.0.0.11",
            labels: ["pool": "spot", "node-role.kubernetes.io/worker": "", "topology.kubernetes.io/zone": "a"],
            taints: [.init(key: "dedicated", value: "db", effect: "NoSchedule"), .init(key: "x", effect: "NoExecute")],
            server: .init(
                host: "10.0.1.4", port: 6443, authorityPEM: "CA", certificatePEM: "CERTIFICATE", keyPEM: "KEY"),
            serving: .init(certificatePEM: "SERVING", keyPEM: "SERVINGKEY", clientAuthorityPEM: "CLIENTCA"),
            clusterDNS: ["10.100.0.10"], nameServers: ["10.0.0.2"], providerID: "aws:///eu-west-1a/i-1")
    }

    private func file(_ suffix: String, _ files: KubeletFiles) throws -> NodeFile {
        try #require(files.files.first { $0.path.hasSuffix(suffix) }, "\(suffix)")
    }

    @Test func `labels that a kubelet may not set are left out and told`() {
        let files = KubeletFiles(configuration)
        #expect(files.arguments.contains("--node-labels=pool=spot,topology.kubernetes.io/zone=a"))
        #expect(files.refusedLabels == ["node-role.kubernetes.io/worker"])
        #expect(files.arguments.contains("--register-with-taints=dedicated=db:NoSchedule,x=:NoExecute"))
        #expect(files.arguments.contains("--node-ip=10.0.0.11"))
    }

    @Test(arguments: [
        ("pool", true), ("example.com/pool", true), ("kubernetes.io/hostname", true), ("kubernetes.io/other", false),
        ("node.kubernetes.io/a", true), ("a.node.kubernetes.io/a", true), ("kubelet.kubernetes.io/a", true),
        ("a.k8s.io/a", false), ("notkubernetes.io/a", true),
    ])
    func `the rule for labels is the kubelet's own`(key: String, mayRegister: Bool) {
        #expect(KubeletFiles.mayRegister(key) == mayRegister)
    }

    @Test func `keys are only for root`() throws {
        let files = KubeletFiles(configuration)
        for name in ["client.key", "serving.key", "kubeconfig.json"] {
            #expect(try file(name, files).mode == 0o600, "\(name)")
        }
        #expect(try file("client.crt", files).text == "CERTIFICATE")
    }

    @Test(arguments: [(nil, "16Mi"), ("40Mi", "40Mi"), ("10%", "10%"), ("0Mi", "0%")])
    func `the lab says what memory a node must have left`(given: String?, threshold: String) throws {
        var configuration = configuration
        if let given { configuration.evictionHard["memory.available"] = given }
        let text = try file("kubelet.json", KubeletFiles(configuration)).text
        let thresholds = try JSONText.value(of: Array(text.utf8))["evictionHard"]
        #expect(thresholds?["memory.available"]?.text == threshold)
        #expect(thresholds?["nodefs.available"]?.text == "1%")
    }

    @Test func `the kubelet asks the lab's API server and serves with the lab's certificate`() throws {
        let files = KubeletFiles(configuration)
        let kubeconfig = try JSONText.value(of: Array(try file("kubeconfig.json", files).text.utf8))
        #expect(
            kubeconfig["clusters"]?.elements?.first?["cluster"]?["server"]?.text == "https://10.0.1.4:6443")
        let settings = try JSONText.value(of: Array(try file("kubelet.json", files).text.utf8))
        #expect(settings["port"]?.integerValue == 10250)
        #expect(settings["authentication"]?["x509"]?["clientCAFile"]?.text?.hasSuffix("client-ca.crt") == true)
        #expect(settings["authentication"]?["anonymous"]?["enabled"] == .bool(false))
        #expect(settings["clusterDNS"]?.elements == [.string("10.100.0.10")])
        #expect(settings["providerID"]?.text == "aws:///eu-west-1a/i-1")
        #expect(try file("resolv.conf", files).text == "nameserver 10.0.0.2\n")
        let paths = Set(files.files.map(\.path))
        for word in ["tlsCertFile", "tlsPrivateKeyFile", "resolvConf"] {
            #expect(settings[word]?.text.map { paths.contains($0) } == true, "\(word) is none of the files")
        }
    }
}

@Suite struct ContainerdFilesTests {
    @Test func `images come from the node's registry`() throws {
        let files = ContainerdFiles.files(registryPort: 5055)
        let text = try #require(files.first { $0.path == ContainerdFiles.configuration }).text
        #expect(text.contains(#"endpoint = ["http://127.0.0.1:5055"]"#))
        #expect(text.contains(#"sandbox_image = "\#(ImageRegistry.sandboxImage)""#))
        #expect(text.contains(#"bin_dir = "/opt/labrun/cni""#))
    }

    @Test func `every container has the userland, the workload's program and the runtime's socket`() throws {
        let files = ContainerdFiles.files(registryPort: 1)
        let text = try #require(files.first { $0.path == ContainerdFiles.runtimeSpecification }).text
        let mounts = try #require(try JSONText.value(of: Array(text.utf8))["mounts"]?.elements)
        func source(_ place: String) -> String? {
            mounts.first { $0["destination"]?.text == place }?["source"]?.text
        }
        #expect(source("/usr") == "/usr/userland/usr")
        #expect(source("/labrun-workload") == ContainerdFiles.callProgram)
        #expect(source(ContainerdFiles.runtimeSocket) == ContainerdFiles.runtimeSocket)
        #expect(source("/proc") == "proc")
    }
}
