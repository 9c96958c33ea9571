import NIOCore
import NIOPosix

/// Forwards connections to a pod's ports. Over SPDY each connection is a pair of streams with one `requestID`, one for
/// data and one for what went wrong; over WebSocket a pair of channels for each port of the query.
struct PortForwarding: Sendable {
    let pod: PodReference
    let backend: any KubeletBackend
    let group: any EventLoopGroup

    static let protocolName = "portforward.k8s.io"
    /// How many streams may wait for the other one of their pair. Of more, the one that has waited longest is reset.
    private static let waitingLimit = 64

    /// Whether a new stream may come in: its type is `data` or `error`, its port a number from 1 to 65,535.
    @Sendable static func accepts(_ headers: [SPDYHeader]) -> Bool {
        guard let type = headers["streamType"], type == "data" || type == "error" else { return false }
        return port(headers) != nil
    }

    private static func port(_ headers: [SPDYHeader]) -> UInt16? {
        headers["port"].flatMap { UInt16($0) }.flatMap { $0 > 0 ? $0 : nil }
    }

    /// Serves a connection until no more streams will come and all are done.
    func run(_ session: SPDYSession) async {
        await withDiscardingTaskGroup { tasks in
            var waiting: [String: SPDYStream] = [:]
            for await stream in session.opened {
                // Clients before Kubernetes 1.2 name no request: there the data stream follows the one for errors.
                let isData = stream.headers["streamType"] == "data"
                let request =
                    stream.headers["requestID"] ?? "\(isData && stream.id > 2 ? stream.id - 2 : stream.id)"
                guard let other = waiting.removeValue(forKey: request) else {
                    waiting[request] = stream
                    if waiting.count > Self.waitingLimit, let oldest = waiting.min(by: { $0.value.id < $1.value.id }) {
                        waiting[oldest.key] = nil
                        await oldest.value.reset()
                    }
                    continue
                }
                guard (other.headers["streamType"] == "data") != isData, let port = Self.port(stream.headers) else {
                    await other.reset()
                    await stream.reset()
                    continue
                }
                let (data, errors) = isData ? (stream, other) : (other, stream)
                tasks.addTask {
                    await forward(port, RemoteInput(data.input), data.output, errors.output)
                    await data.finish()
                    await errors.finish()
                    errors.input.abandon()
                }
            }
        }
    }

    /// Joins one connection with a port of the pod, until both directions have ended or one has failed.
    func forward(_ port: UInt16, _ input: RemoteInput, _ output: RemoteOutput, _ errors: RemoteOutput) async {
        do {
            let descriptor = try await backend.connect(to: port, of: pod)
            try await Descriptors.join(descriptor, input, output, on: group)
        } catch {
            input.queue.abandon()
            let words = "error forwarding port \(port) to pod \(pod.name), uid \(pod.uid ?? ""): \(error)"
            try? await errors.write(Array(words.utf8))
        }
    }

    // MARK: WebSocket

    /// The ports of a query, at most 64.
    ///
    /// - Throws: `KubeletRefusal` with 400, in the words of the real kubelet.
    static func ports(_ query: [(name: String, value: String)]) throws(KubeletRefusal) -> [UInt16] {
        let texts = query.filter { $0.name == "port" }.flatMap {
            $0.value.split(separator: ",", omittingEmptySubsequences: false)
        }
        guard !texts.isEmpty else {
            throw KubeletRefusal(status: 400, message: "query parameter \"port\" is required")
        }
        guard texts.count <= 64 else { throw KubeletRefusal(status: 400, message: "more than 64 ports") }
        var ports: [UInt16] = []
        for text in texts {
            guard let port = UInt16(text), port > 0 else {
                throw KubeletRefusal(status: 400, message: "unable to parse \"\(text)\" as a port")
            }
            ports.append(port)
        }
        return ports
    }

    /// Serves a WebSocket: channels 2n and 2n + 1 carry data and errors of the n-th port. Each begins with the port,
    /// low byte first.
    func run(_ session: WebSocketSession, _ ports: [UInt16]) async {
        await withDiscardingTaskGroup { tasks in
            for (index, port) in ports.enumerated() {
                let channel = UInt8(truncatingIfNeeded: index * 2)
                guard let queue = session.input(channel) else { continue }
                let (data, errors) = (session.output(channel), session.output(channel + 1))
                tasks.addTask {
                    for output in [data, errors] {
                        try? await output.write([UInt8(truncatingIfNeeded: port), UInt8(port >> 8)])
                    }
                    await forward(port, RemoteInput(queue), data, errors)
                }
            }
        }
    }
}
