import Glibc
import NIOPosix
import Synchronization

@testable import KubeletServer

/// A node with one pod, `shop/web`, whose container `app` knows a few commands and echoes on every port but 1.
final class FakeBackend: KubeletBackend {
    let log = ContainerLog()
    let cancelled = Mutex(false)
    let healthFailures = Mutex<[String]>([])

    func pods() async throws -> [UInt8] { Array("{\"kind\":\"PodList\",\"items\":[]}".utf8) }
    func runningPods() async throws -> [UInt8] { try await pods() }

    func summary() async throws -> StatsSummary {
        StatsSummary(
            node: .init(
                nodeName: "n1", startTime: "2026-01-01T00:00:00Z",
                memory: .init(time: "2026-01-01T00:00:01Z", workingSetBytes: 1000)),
            pods: [
                .init(
                    podRef: .init(name: "web", namespace: "shop", uid: "u"), startTime: "2026-01-01T00:00:00Z",
                    containers: [
                        .init(
                            name: "a\"pp", startTime: "2026-01-01T00:00:00Z",
                            cpu: .init(time: "2026-01-01T00:00:00Z", usageCoreNanoSeconds: 1_500_000_000))
                    ])
            ])
    }

    func health() async -> [String] { healthFailures.withLock { $0 } }

    func log(of container: ContainerReference, previous: Bool) async throws -> ContainerLog {
        try await checkRunning(container)
        if previous { throw KubeletRefusal.noPreviousContainer(container) }
        return log
    }

    func checkRunning(_ container: ContainerReference) async throws {
        try await checkRunning(container.pod)
        guard container.container == "app" else { throw KubeletRefusal.noContainer(container) }
    }

    func checkRunning(_ pod: PodReference) async throws {
        guard pod.namespace == "shop", pod.name == "web" else { throw KubeletRefusal.noPod(pod) }
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    func exec(_ request: ExecRequest, _ streams: RemoteStreams) async throws -> Int32 {
        let arguments = request.command.dropFirst()
        switch request.command.first {
        case "echo": try await streams.output?.write(Array(arguments.joined(separator: " ").utf8))
        case "warn": try await streams.errors?.write(Array(arguments.joined(separator: " ").utf8))
        case "cat":
            if let input = streams.input { for await bytes in input { try await streams.output?.write(bytes) } }
        case "exit": return arguments.first.flatMap { Int32($0) } ?? 1
        case "size":
            for await size in streams.sizes {
                try await streams.output?.write(Array("\(size.columns)x\(size.rows)".utf8))
                break
            }
        case "deaf": return 0
        case "wait":
            try await streams.output?.write(Array("waiting".utf8))
            // It ends when whoever asked for it has gone, long before the hour is over.
            try? await Task.sleep(for: .seconds(3600))
            cancelled.withLock { $0 = Task.isCancelled }
        default: throw Failure(description: "exec: \"\(request.command[0])\": executable file not found in $PATH")
        }
        return 0
    }

    func attach(_ container: ContainerReference, _ streams: RemoteStreams) async throws {
        for await (stream, bytes) in log.chunks() {
            try await (stream == .output ? streams.output : streams.errors)?.write(bytes)
        }
    }

    func connect(to port: UInt16, of pod: PodReference) async throws -> Int32 {
        guard port != 1 else { throw Failure(description: "connect: connection refused") }
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw Failure(description: "socketpair: \(errno)")
        }
        let echoed = ByteQueue(limit: 1 << 22)
        Task { [end = ends[1]] in
            try await Descriptors.join(
                end, RemoteInput(echoed),
                RemoteOutput(writing: { echoed.push($0) }, ending: { echoed.finish() }),
                on: MultiThreadedEventLoopGroup.singleton)
        }
        return ends[0]
    }
}
