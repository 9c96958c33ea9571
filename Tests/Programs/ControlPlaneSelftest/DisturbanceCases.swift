import ControlPlane
import Glibc
import KubeClient
import LinuxKernel

let disturbanceCases: [(name: String, run: @Sendable () async throws -> Void)] = [
    ("slow-servers", slowServers), ("end-of-host", endOfHost),
]

/// This program ends without a word to its servers. The test looks for them from outside.
@Sendable private func endOfHost() async throws {
    let test = try await TestControlPlane.started()
    print("passed end-of-host: \(test.folder)")
    fflush(nil)
    _exit(0)
}

/// Paused and slow servers, as clients meet them.
@Sendable private func slowServers() async throws {
    let test = try await TestControlPlane.started()
    let reads = try await times(test, "read") { _ in try await read(test) }
    let writes = try await times(test, "write") { try await test.configMap("quick-\($0)") }

    try await test.plane.slow(.apiServer, by: .milliseconds(200))
    let slowReads = try await times(test, "read from a slow API server") { _ in try await read(test) }
    try expect(slowReads > reads + 0.1, "it is not slow: \(slowReads) s instead of \(reads) s")
    await test.plane.resume(.apiServer)
    let healed = try await times(test, "read") { _ in try await read(test) }
    try expect(healed < slowReads - 0.05, "it stays slow: \(healed) s")

    try await test.plane.slow(.etcd, by: .milliseconds(200))
    let slowWrites = try await times(test, "write with a slow etcd") { try await test.configMap("slow-\($0)") }
    try expect(slowWrites > writes + 0.1, "it is not slow: \(slowWrites) s instead of \(writes) s")
    await test.plane.resume(.etcd)

    for server in ControlPlaneServer.kubernetes {
        try await test.plane.pause(server)
        let paused = await test.plane.probe(server, within: .milliseconds(500))
        try expect(paused.isRunning && !paused.isHealthy && paused.seconds > 0.4, "\(paused)")
        print("paused \(server): \(paused.answer)")
        await test.plane.resume(server)
        _ = try await eventually("\(server) to answer") {
            await test.plane.probe(server).isHealthy ? true : nil
        }
    }
    // What is paused can be killed, by SIGTERM too.
    try await test.plane.pause(.scheduler)
    try await test.plane.kill(.scheduler, signal: 15)
    try await test.plane.start(.scheduler)
    try await test.plane.waitUntilReady(within: .seconds(60))
    await test.plane.stop()
}

private func read(_ test: TestControlPlane) async throws {
    let status = try await test.status(test.client, "/api/v1/namespaces/default")
    try expect(status == 200, "status \(status)")
}

/// The mean of twelve requests in seconds. Between two of them some time goes by, so that they meet a slow server at
/// different moments.
private func times(_ test: TestControlPlane, _ name: String, _ body: (Int) async throws -> Void) async throws -> Double
{
    var sum = 0.0
    for number in 0..<12 {
        let begin = MonotonicTime.now
        try await body(number)
        sum += MonotonicTime.now.since(begin).seconds
        try await Task.sleep(for: .milliseconds(60 + 31 * number))
    }
    print("\(name): \(Int(sum / 12 * 1000)) ms")
    return sum / 12
}
