import ControlPlane
import Glibc
import JSON
import KubeClient
import LinuxKernel
import Synchronization

let restartCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("killed-servers", killedServers), ("new-certificate", newCertificate),
]

/// The names of config maps as a watch tells them.
private final class Seen: Sendable {
    private let names = Mutex<Set<String>>([])
    private let lists = Mutex(0)

    var listings: Int { lists.withLock { $0 } }
    func has(_ name: String) -> Bool { names.withLock { $0.contains(name) } }

    func follow(_ reflector: Reflector<JSONValue>) async {
        for await update in reflector.updates() {
            switch update {
            case .listed(let objects):
                lists.withLock { $0 += 1 }
                names.withLock { $0 = Set(objects.compactMap(name)) }
            case .added(let object), .modified(let object):
                names.withLock { if let name = name(object) { $0.insert(name) } }
            case .deleted(let object):
                names.withLock { if let name = name(object) { $0.remove(name) } }
            case .disconnected(let reason): print("watch: disconnected: \(reason.prefix(150))")
            case .connected: print("watch: connected")
            case .unreadable(let object): print("watch: \(object)")
            }
        }
    }

    private func name(_ object: JSONValue) -> String? { object["metadata"]?["name"]?.text }
}

/// Servers are killed and started again: nothing is lost, and a watch goes on.
@Sendable private func killedServers() async throws {
    let test = try await TestControlPlane.started()
    try await test.configMap("first")
    let seen = Seen()
    let watch = Task { await seen.follow(Reflector(test.client, .configMaps, namespace: "default")) }
    defer { watch.cancel() }
    try await arrival(of: "first", seen)
    for (number, server) in [ControlPlaneServer.apiServer, .etcd].enumerated() {
        try await test.plane.kill(server, signal: SIGKILL)
        try expect(await !test.plane.isRunning(server), "\(server) runs")
        let notice = test.notices.take()
        try expect(notice.map(\.server) == [server] && notice.allSatisfy(\.wasExpected), "\(notice)")
        try expect(notice.first?.status == .signalled(SIGKILL), "\(notice)")
        let probe = await test.plane.probe(server)
        try expect(!probe.isHealthy && !probe.isRunning, "\(probe)")
        // What a client meets: a refused connection without an API server, an error of the API server without etcd.
        let path = KubeResource.configMaps.path(namespace: "default", name: nil)
        var met = ""
        do {
            let request = KubeRequest(method: "POST", path: path, body: Array(configMap.utf8))
            let response = try await test.client.send(request, within: .seconds(3))
            met = "status \(response.status)"
            try expect(response.status >= 400, met)
        } catch let error as KubeClientError { met = "\(error)" }
        print("without \(server) a client meets: \(met.prefix(200))")
        let begin = MonotonicTime.now
        try await test.plane.start(server)
        try await test.plane.waitUntilReady(within: .seconds(60))
        print("\(server) is back after \(MonotonicTime.now.since(begin))")
        try expect(try await test.has(.configMaps, "first"), "what was there before \(server) was killed is lost")
        _ = try await eventually("a config map") {
            try await test.configMap("after-\(number)")
            return true
        }
        try await arrival(of: "after-\(number)", seen)
        print("the watch goes on \(MonotonicTime.now.since(begin)) after the start")
    }
    print("\(seen.listings) lists")
    // The others stay as they are.
    try expect(test.notices.take().isEmpty, "another server has ended")
    try await endIsTold(test)
    await test.plane.stop()
}

private let configMap = #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"never"}}"#

private func arrival(of name: String, _ seen: Seen) async throws {
    _ = try await eventually("\(name) in the watch", within: .seconds(30)) { seen.has(name) ? true : nil }
}

/// A server that ends by itself is told with its last lines.
private func endIsTold(_ test: TestControlPlane) async throws {
    let name = ControlPlaneServer.scheduler.rawValue
    let process = try processNumber(of: name)
    Glibc.kill(process, SIGSEGV)
    let notice = try await eventually("the end") { test.notices.take().first }
    try expect(notice.server == .scheduler && !notice.wasExpected && !notice.lastLines.isEmpty, "\(notice)")
    print("\(notice.status), last line: \(notice.lastLines.last ?? "")")
    do {
        try await test.plane.kill(.scheduler, signal: SIGKILL)
        throw Unexpected(description: "a server that has ended was killed")
    } catch let error as ControlPlaneError { try expect(error.code == .notRunning, "\(error)") }
    try await test.plane.start(.scheduler)
    try await test.plane.waitUntilReady(within: .seconds(30))
}

/// A process of this PID namespace by the first word of its command line.
private func processNumber(of program: String) throws -> Int32 {
    for number in 1...4_000 {
        guard let file = try? FileDescriptor.open("/proc/\(number)/cmdline", O_RDONLY),
            let words = try? file.readToEnd().split(separator: 0)
        else { continue }
        if let word = words.first, String(decoding: word, as: UTF8.self).hasSuffix("/" + program) {
            return Int32(number)
        }
    }
    throw Unexpected(description: "no process of \(program)")
}

/// The API server is ended as an operator ends it, and comes back with another certificate of the same authority.
@Sendable private func newCertificate() async throws {
    let test = try await TestControlPlane.started()
    try await test.configMap("first")
    let begin = MonotonicTime.now
    try await test.plane.renewServingCertificate()
    try await test.plane.kill(.apiServer, signal: SIGTERM)
    print("ended by SIGTERM after \(MonotonicTime.now.since(begin))")
    try await test.plane.start(.apiServer)
    try await test.plane.waitUntilReady(within: .seconds(60))
    let client = test.client(test.plane.admin)
    try expect(try await test.status(client, "/api/v1/namespaces/default/configmaps/first") == 200)
    await client.close()
    await test.plane.stop()
}
