@testable import ControlPlane
import Testing

@Suite struct CommandLineTests {
    private static func arguments(
        _ server: ControlPlaneServer, _ minor: Int, _ change: (inout ControlPlaneSpec) -> Void = { _ in }
    ) -> [String] {
        var spec = ControlPlaneSpec(
            programs: ControlPlanePrograms(directory: "/bin", version: KubernetesVersion(major: 1, minor: minor)),
            address: "10.0.0.10", folder: "/secrets", artifacts: "/artifacts")
        change(&spec)
        let files = ControlPlaneFiles(folder: spec.folder, artifacts: spec.artifacts)
        return ServerArguments(spec: spec, files: files, version: spec.programs.version).of(server)
    }

    /// A flag that a version no longer has ends its server at once.
    @Test(arguments: [
        (20, ["--port=0"], true), (21, ["--port=0"], false), (22, ["--port=0"], false), (23, [], false),
        (24, [], false),
        (36, [], false),
    ])
    func flagsFollowTheVersion(_ minor: Int, _ insecure: [String], _ isShort: Bool) {
        for server in [ControlPlaneServer.controllerManager, .scheduler] {
            #expect(Self.arguments(server, minor).filter { $0.hasPrefix("--port") } == insecure)
        }
        let apiServer = Self.arguments(.apiServer, minor)
        #expect(apiServer.contains { $0.hasPrefix("--runtime-config=api/all=false,") } == isShort)
        #expect(apiServer.contains { $0.hasPrefix("--feature-gates=") } == isShort)
        #expect(!apiServer.contains { $0.hasPrefix("--insecure") })
    }

    @Test func nobodyIsLetInUnknown() {
        for minor in [20, 30] {
            let arguments = Self.arguments(.apiServer, minor)
            for flag in [
                "--anonymous-auth=false", "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--audit-log-path=/artifacts/audit.log",
            ] { #expect(arguments.contains(flag)) }
        }
        #expect(Self.arguments(.etcd, 20).contains("--client-cert-auth=true"))
        for server in [ControlPlaneServer.etcd, .controllerManager, .scheduler] {
            let open = Self.arguments(server, 20).filter { $0.contains("0.0.0.0") }
            #expect(open.isEmpty, "\(server) listens beyond the loopback interface")
        }
    }

    /// Keys are read from files: a command line can be seen by everybody.
    @Test(arguments: ControlPlaneServer.allCases) func noFileOutsideOfItsFolders(_ server: ControlPlaneServer) {
        for argument in Self.arguments(server, 20) {
            guard let path = argument.split(separator: "=", maxSplits: 1).last, path.hasPrefix("/") else { continue }
            #expect(path.hasPrefix("/secrets/") || path == "/artifacts/audit.log", "\(argument)")
        }
    }

    @Test func rangesOfNodesAreGivenIfAskedFor() {
        #expect(
            !Self.arguments(.controllerManager, 20) { $0.podCIDRs = ["10.244.0.0/16"] }.contains {
                $0.hasPrefix("--allocate-node-cidrs")
            })
        let given = Self.arguments(.controllerManager, 20) {
            $0.podCIDRs = ["10.244.0.0/16"]
            $0.nodeCIDRMaskSize = 24
        }
        for flag in ["--allocate-node-cidrs=true", "--cluster-cidr=10.244.0.0/16", "--node-cidr-mask-size=24"] {
            #expect(given.contains(flag))
        }
    }

    @Test func theUsersFlagsComeLast() {
        let arguments = Self.arguments(.scheduler, 20) { $0.extraArguments = [.scheduler: ["--v=4"], .etcd: ["--no"]] }
        #expect(arguments.last == "--v=4")
        #expect(!arguments.contains("--no"))
    }

    @Test(arguments: [
        ("Kubernetes v1.20.2\n", "v1.20.2"), ("Kubernetes v1.32.4-dispatcher", "v1.32.4-dispatcher"),
        ("v1.36", "v1.36"),
        ("Kubernetes v2.0.1+ds1", "v2.0.1+ds1"), ("", nil), ("Kubernetes", nil), ("Kubernetes 1.20.2", nil),
        ("Kubernetes v1", nil), ("Kubernetes v1.x", nil), ("Kubernetes v1.-2.0", nil), ("v99999.1.0", nil),
        ("usage: v1.20.2 or so", nil),
    ])
    func versionsAreRead(_ text: String, _ version: String?) {
        #expect(KubernetesVersion(text)?.description == version)
    }

    @Test func versionsAreOrdered() {
        #expect(KubernetesVersion(major: 1, minor: 9) < .oldest)
        #expect(KubernetesVersion(major: 2, minor: 0) > .oldest)
        #expect(!KubernetesVersion(major: 2, minor: 0).isBefore(minor: 21))
        #expect(KubernetesVersion(major: 1, minor: 20, rest: ".15").isBefore(minor: 21))
    }
}
