import ControlPlane
import Foundation
import JSON
import KubeClient
import LinuxKernel
import NetAddress
import Netlink
import Synchronization

/// A control plane in a namespace of its own, and a node's namespace from which it is asked over a cable.
final class TestControlPlane: Sendable {
    static let address = "10.0.0.10"
    static let nodes = [
        ControlPlaneNode(name: "node1", address: "10.0.0.11"), ControlPlaneNode(name: "node2", address: "10.0.0.12"),
    ]

    let plane: ControlPlane
    let place: NetworkNamespace
    let node: NetworkNamespace
    /// The administrator, from the node's namespace.
    let client: KubeClient
    let notices = Notices()
    let folder: String
    let artifacts: String
    let begin: MonotonicTime

    final class Notices: Sendable {
        private let all = Mutex<[ControlPlaneNotice]>([])
        func append(_ notice: ControlPlaneNotice) { all.withLock { $0.append(notice) } }
        func take() -> [ControlPlaneNotice] {
            all.withLock { all in
                defer { all = [] }
                return all
            }
        }
    }

    /// Makes namespaces and folders, and starts nothing.
    init(_ change: (inout ControlPlaneSpec) -> Void = { _ in }) throws {
        guard let directory = ProcessInfo.processInfo.environment["LABRUN_CONTROL_PLANE_BIN"] else {
            throw Unexpected(description: "LABRUN_CONTROL_PLANE_BIN names no folder of a control plane's programs")
        }
        let base = FileManager.default.temporaryDirectory.appending(path: "labrun-control-plane-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        // Mounts are this program's own, so it ends with it.
        try mountFilesystem("labrun", on: base.path, type: "tmpfs", options: "mode=0700")
        folder = base.appending(path: "secrets").path
        artifacts = base.appending(path: "artifacts").path
        place = try NetworkNamespace.create()
        node = try NetworkNamespace.create()
        let far = node.rawDescriptor
        try place.run {
            let inside = try NetlinkSocket()
            try inside.setUp("lo")
            try inside.createVeth("eth0", peer: "eth0", peerNamespace: far)
        }
        try Self.address("10.0.0.10/24", in: place)
        try Self.address("10.0.0.11/24", in: node)
        var spec = ControlPlaneSpec(
            programs: try ControlPlanePrograms(directory: directory), address: Self.address, folder: folder,
            artifacts: artifacts, nodes: Self.nodes)
        change(&spec)
        begin = .now
        plane = try ControlPlane(spec, namespacePath: "/proc/self/fd/\(place.rawDescriptor)") { [notices] notice in
            notices.append(notice)
        }
        client = KubeClient(plane.admin, userAgent: "selftest", in: node.rawDescriptor)
        print("credentials made in \(milliseconds) ms")
    }

    private static func address(_ text: String, in namespace: borrowing NetworkNamespace) throws {
        guard let address = IPv4CIDR(text) else { throw Unexpected(description: text) }
        try namespace.run {
            let inside = try NetlinkSocket()
            try inside.addAddress(address, linkIndex: try inside.link(named: "eth0").index)
            try inside.setUp("eth0")
        }
    }

    /// Starts it and waits until it is ready.
    static func started(_ change: (inout ControlPlaneSpec) -> Void = { _ in }) async throws -> TestControlPlane {
        let test = try TestControlPlane(change)
        try await test.plane.start()
        print("API server started after \(test.milliseconds) ms")
        try await test.plane.waitUntilReady(within: .seconds(180))
        print("ready after \(test.milliseconds) ms")
        return test
    }

    /// Since the begin.
    var milliseconds: Int { Int(MonotonicTime.now.since(begin).seconds * 1000) }

    /// Somebody else than the administrator, from the node's namespace.
    func client(_ server: KubeServer) -> KubeClient {
        KubeClient(server, userAgent: "selftest", in: node.rawDescriptor)
    }

    /// The status that a request is answered with.
    func status(
        _ client: KubeClient, _ path: String, method: String = "GET", _ body: String = ""
    ) async throws -> Int {
        let request = KubeRequest(
            method: method, path: path, body: Array(body.utf8), contentType: body.isEmpty ? nil : "application/json")
        return try await client.send(request, within: .seconds(20)).status
    }

    func create(_ resource: KubeResource, namespace: String? = nil, _ text: String) async throws {
        try await client.create(
            resource, namespace: namespace, KubeBody(octets: Array(text.utf8)), within: .seconds(20))
    }

    func configMap(_ name: String) async throws {
        try await create(
            .configMaps, namespace: "default",
            #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\#(name)"},"data":{"name":"\#(name)"}}"#)
    }

    func has(_ resource: KubeResource, _ name: String) async throws -> Bool {
        try await status(client, resource.path(namespace: "default", name: name)) == 200
    }

    func printUsage() async {
        for usage in await plane.usage() {
            let (now, peak) = (usage.residentBytes >> 20, usage.peakResidentBytes >> 20)
            print(
                "\(usage.server): \(now) MB resident, at most \(peak) MB, \(usage.processorSeconds) s of processor time"
            )
        }
        var size = statvfs()
        statvfs(folder, &size)
        print("the tmpfs takes \((Int(size.f_blocks) - Int(size.f_bfree)) * Int(size.f_bsize) >> 20) MB")
    }
}
