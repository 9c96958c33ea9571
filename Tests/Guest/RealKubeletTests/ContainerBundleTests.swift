import Hashing
import JSON
import Testing

@testable import RealKubelet

@Suite struct ContainerBundleTests {
    /// As containerd 1.6.20 writes it, without what a workload does not need.
    private static let text = #"""
        {"ociVersion": "1.0.2-dev",
         "process": {"env": ["PATH=/usr/bin:/bin", "PORT=9090", "EMPTY=", "odd"], "args": ["/labrun-workload", "echo"]},
         "mounts": [
          {"destination": "/proc", "type": "proc", "source": "proc"},
          {"destination": "/etc/hosts", "type": "bind", "source": "/var/lib/kubelet/pods/1234-56/etc-hosts"},
          {"destination": "/etc/webhook", "type": "bind", "source": "/var/lib/kubelet/pods/1234-56/volumes/all"},
          {"destination": "/etc/webhook/certs", "type": "bind", "source": "/var/lib/kubelet/pods/1234-56/volumes/certs"}],
         "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/cni-1"}]},
         "annotations": {
          "io.kubernetes.container.ports": "[{\"containerPort\":80,\"protocol\":\"TCP\"},{\"containerPort\":80,\"protocol\":\"UDP\"},{\"containerPort\":443}]",
          "io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.container-type": "container",
          "io.kubernetes.cri.sandbox-name": "a", "io.kubernetes.cri.sandbox-namespace": "default"}}
        """#

    private func bundle(_ text: String = text) throws -> ContainerBundle {
        try #require(ContainerBundle(try JSONText.value(of: Array(text.utf8))))
    }

    @Test func `a container's pod, ports and variables are read`() throws {
        let bundle = try bundle()
        #expect(bundle.namespace == "default" && bundle.pod == "a" && bundle.container == "web")
        #expect(bundle.uid == "1234-56")
        #expect(bundle.ports == [80, 443])
        #expect(bundle.environment == ["PATH": "/usr/bin:/bin", "PORT": "9090", "EMPTY": ""])
        #expect(!bundle.isHostNetwork)
        let host = try self.bundle(
            Self.text.replacing(#", {"type": "network", "path": "/var/run/netns/cni-1"}"#, with: ""))
        #expect(host.isHostNetwork)
    }

    @Test func `a file is found in the innermost of its volumes`() throws {
        let bundle = try bundle()
        let pod = "/var/lib/kubelet/pods/1234-56/volumes"
        #expect(bundle.source(of: "/etc/webhook/certs/tls.crt") == pod + "/certs/tls.crt")
        #expect(bundle.source(of: "/etc/webhook/other") == pod + "/all/other")
        #expect(bundle.source(of: "/etc/webhooks") == nil)
        #expect(bundle.source(of: "/etc/webhook/certs/../../shadow") == nil)
    }

    @Test func `a sandbox is no container`() throws {
        let sandbox = Self.text.replacing(#"container-type": "container""#, with: #"container-type": "sandbox""#)
        #expect(ContainerBundle(try JSONText.value(of: Array(sandbox.utf8))) == nil)
    }

    @Test(
        arguments: [
            ("0::/k8s.io/12ab\n", "12ab"), ("1:cpu:/x\n0::/k8s.io/9f/sub\n", "9f"), ("0::/\n", nil),
            ("0::/k8s.io/\n", nil),
            ("0::/k8s.io/../../etc\n", nil), ("0::/k8s.io/A1\n", nil), ("", nil),
        ] as [(String, String?)])
    func `a process tells its container`(groups: String, container: String?) {
        #expect(ContainerBundle.container(ofControlGroups: groups) == container)
    }

    @Test func `no bundle is too odd to be read`() {
        var numbers = SplitMix64(seed: 47)
        let good = Array(Self.text.utf8)
        var read = 0
        for _ in 0..<5000 {
            guard let value = try? JSONText.value(of: Mutation.of(good, &numbers)),
                let bundle = ContainerBundle(value)
            else { continue }
            read += 1
            _ = bundle.source(of: "/etc/webhook/certs/tls.crt")
        }
        #expect(read > 100)
    }
}
