import ControlPlane
import Foundation
import KubeClient
import KubeletServer
import LinuxKernel
import NetAddress
import Netlink

struct Unexpected: Error, CustomStringConvertible { let description: String }

func expect(
    _ condition: Bool, _ message: @autoclosure () -> String = "", file: String = #fileID, line: Int = #line
) throws {
    if !condition { throw Unexpected(description: "\(file):\(line): not so: \(message())") }
}

/// A control plane, a node that is known to it, and the node's API with programs of this machine behind it, all in this
/// process's own network namespace.
struct TestNode {
    static let planeAddress = "10.0.0.10"
    static let nodeAddress = "10.0.0.11"
    static let pod = PodReference(namespace: "default", name: "web")
    static let container = ContainerReference(pod: pod, container: "app")

    let plane: ControlPlane
    let server: KubeletServer
    let backend = LocalBackend()
    let kubeconfig: String
    let admin: KubeClient
    /// The kubectl that lies beside the servers, and those that `LABRUN_KUBECTL` names, with colons between them.
    let kubectls: [String]

    init() async throws {
        guard let directory = ProcessInfo.processInfo.environment["LABRUN_CONTROL_PLANE_BIN"] else {
            throw Unexpected(description: "LABRUN_CONTROL_PLANE_BIN names no folder of a control plane's programs")
        }
        let base = FileManager.default.temporaryDirectory.appending(path: "labrun-kubelet-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        // Mounts are this program's own, so it ends with it.
        try mountFilesystem("labrun", on: base, type: "tmpfs", options: "mode=0700")
        let netlink = try NetlinkSocket()
        try netlink.setUp("lo")
        for address in [Self.planeAddress, Self.nodeAddress] {
            guard let address = IPv4CIDR("\(address)/32") else { throw Unexpected(description: address) }
            try netlink.addAddress(address, linkIndex: try netlink.link(named: "lo").index)
        }
        let programs = try ControlPlanePrograms(directory: directory)
        let named = ProcessInfo.processInfo.environment["LABRUN_KUBECTL"] ?? ""
        kubectls = [programs.kubectl].compactMap { $0 } + named.split(separator: ":").map(String.init)
        guard !kubectls.isEmpty else {
            throw Unexpected(description: "no kubectl beside the servers, and LABRUN_KUBECTL names none")
        }
        let spec = ControlPlaneSpec(
            programs: programs, address: Self.planeAddress, folder: "\(base)/secrets", artifacts: "\(base)/artifacts",
            nodes: [ControlPlaneNode(name: "node1", address: Self.nodeAddress)])
        plane = try ControlPlane(spec, namespacePath: "/proc/self/ns/net") { notice in
            if !notice.wasExpected { print("ended: \(notice)") }
        }
        try await plane.start()
        try await plane.waitUntilReady(within: .seconds(180))
        let credentials = try await plane.nodeCredentials("node1")
        server = try await KubeletServer(
            .init(
                certificateChainPEM: credentials.servingCertificatePEM, keyPEM: credentials.servingKeyPEM,
                clientAuthorityPEM: credentials.clientAuthorityPEM), backend)
        kubeconfig = "\(base)/kubeconfig"
        try plane.kubeconfig().write(toFile: kubeconfig, atomically: true, encoding: .utf8)
        admin = KubeClient(plane.admin, userAgent: "selftest")
        try await makeObjects()
    }

    private func makeObjects() async throws {
        try await create(
            .nodes, namespace: nil,
            """
            {"apiVersion":"v1","kind":"Node","metadata":{"name":"node1"},"status":{"addresses":[{"type":"InternalIP",
            "address":"\(Self.nodeAddress)"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":\(server.port)}}}}
            """)
        try await create(
            .pods, namespace: "default",
            """
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"nodeName":"node1",
            "tolerations":[{"operator":"Exists"}],
            "containers":[{"name":"app","image":"local","stdin":true},{"name":"mute","image":"local"}]}}
            """)
        let status = #"{"status":{"phase":"Running","podIP":"10.0.0.11"}}"#
        _ = try await admin.patch(
            .pods, namespace: "default", name: "web", subresource: "status", .strategicMerge,
            KubeBody(octets: Array(status.utf8)), within: .seconds(20))
    }

    private func create(_ resource: KubeResource, namespace: String?, _ text: String) async throws {
        _ = try await admin.create(
            resource, namespace: namespace, KubeBody(octets: Array(text.utf8)), within: .seconds(20))
    }

    struct Ended {
        let status: Int32
        let output: [UInt8]
        let errors: String
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Starts kubectl.
    func start(_ kubectl: String, _ arguments: [String], terminal: Bool = false) throws -> LocalProcess {
        try LocalProcess(
            [kubectl, "--kubeconfig", kubeconfig, "--cache-dir", kubeconfig + ".cache"] + arguments,
            environment: ["TERM": "xterm", "HOME": "/nonexistent"], terminal: terminal)
    }

    /// Runs kubectl to its end.
    func run(
        _ kubectl: String, _ arguments: [String], input: [UInt8]? = nil, terminal: Bool = false
    ) async throws -> Ended {
        let process = try start(kubectl, arguments, terminal: terminal)
        let output = Collected()
        let errors = Collected()
        try await RemoteStreams(
            input: input.map { RemoteInput($0) }, output: output.output, errors: terminal ? nil : errors.output
        ).connect(
            input: process.input, output: process.output, errors: process.errors < 0 ? nil : process.errors)
        return Ended(
            status: await process.end(), output: output.bytes, errors: String(decoding: errors.bytes, as: UTF8.self))
    }

    func stop() async {
        await server.stop()
        await admin.close()
        await plane.stop()
    }
}
