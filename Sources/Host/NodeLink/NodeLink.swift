import Foundation
import NodeProtocol

/// The lab host's end of one node's channel: requests with deadlines, many in flight, and the node's events.
///
/// Connects to the unix socket on which QEMU listens for the node's virtio-serial port, as soon as it exists, and again
/// whenever the connection is lost, until `close()`. Sockets are served by a thread of the link's own; the callers'
/// threads never wait for one.
public final class NodeLink: Sendable {
    public let node: String
    public let path: String
    /// The events that the node sends unasked. At most 4,096 unread ones are kept, and the oldest are dropped
    /// (`droppedEvents`). The stream has one consumer.
    public let events: AsyncStream<NodeEvent>
    private let channel: LinkChannel

    /// - Parameters:
    ///   - node: The node's name, for messages.
    ///   - path: The path of the unix socket, at most 107 bytes.
    public init(node: String, path: String) {
        self.node = node
        self.path = path
        let (stream, continuation) = AsyncStream.makeStream(
            of: NodeEvent.self, bufferingPolicy: .bufferingNewest(4096))
        events = stream
        channel = LinkChannel(node: node, path: path, events: continuation)
        let thread = Thread { [channel] in channel.run() }
        thread.name = "node-link"
        thread.stackSize = 1 << 20
        thread.start()
    }

    deinit { channel.close() }

    /// The number of events that were dropped because nobody read them in time.
    public var droppedEvents: Int { channel.droppedEvents }
    /// What the link is doing, for messages: `connecting: …`, `connected, no hello yet`, `ready`.
    public var stateDescription: String { channel.stateDescription }

    /// Waits until the node's runtime has answered the link's hello.
    /// - Throws: `NodeLinkError` (`timeout`, `closed`, `cancelled`).
    @discardableResult
    public func ready(within deadline: Duration) async throws -> HelloReply {
        let answer = try await channel.call(name: "hello", json: nil, deadline: deadline)
        guard case .hello(let hello) = try answer.decode(NodeReply.self) else {
            throw NodeLinkError(code: .malformedReply, node: node, request: "hello", message: "not a hello")
        }
        return hello
    }

    /// A node's reply, and the bytes that came with it: records, or what the agent answered.
    public struct Answer: Sendable {
        public let reply: NodeReply
        public let blob: [UInt8]
    }

    /// Sends a request as soon as the node is ready and waits for its reply.
    /// - Parameter deadline: The time that the call may take from now on, including the time until the node is ready.
    /// - Throws: `NodeLinkError`; a `.failed` reply is thrown as `failed`.
    public func call(_ request: NodeRequest, deadline: Duration) async throws -> Answer {
        let frame = try await channel.call(
            name: request.name, json: try Frame.encode(request), deadline: deadline)
        let reply: NodeReply
        do {
            reply = try frame.decode()
        } catch {
            throw NodeLinkError(
                code: .malformedReply, node: node, request: request.name, message: "unreadable reply: \(error)")
        }
        if case .failed(let failure) = reply {
            throw NodeLinkError(
                code: .failed, node: node, request: request.name, message: failure.message,
                failureCode: failure.code)
        }
        return Answer(reply: reply, blob: frame.blob)
    }

    /// Ends the link: calls under way fail with `closed`, the event stream finishes. Returns at once.
    public func close() { channel.close() }
}

extension NodeLink {
    /// Runs a plan of probes on the node. The deadline of a plan counts for each probe from its first packet on; the
    /// call may take twice as long, plus `slack` for sending all of them.
    public func probe(
        _ plan: ProbePlan, slack: Duration = .seconds(15)
    ) async throws -> (summary: ProbeSummary, results: [ProbeResult]) {
        let longest = Duration.milliseconds(2 * plan.deadlineMillis + plan.launchMillis)
        let answer = try await call(.probe(plan), deadline: longest + slack)
        guard case .probe(let summary) = answer.reply, let results = ProbeResults.decode(answer.blob) else {
            throw unexpected(.probe(plan), answer.reply)
        }
        return (summary, results)
    }

    /// What this node's receivers saw of a plan, whichever node sent the probes.
    public func sightings(plan: UInt64, deadline: Duration = .seconds(10)) async throws -> [Sighting] {
        let answer = try await call(.sightings(plan: plan), deadline: deadline)
        guard case .sightings = answer.reply, let sightings = Sightings.decode(answer.blob) else {
            throw unexpected(.sightings(plan: plan), answer.reply)
        }
        return sightings
    }

    private func unexpected(_ request: NodeRequest, _ reply: NodeReply) -> NodeLinkError {
        NodeLinkError(
            code: .malformedReply, node: node, request: request.name,
            message: "unexpected reply: \(String(describing: reply).prefix(200))")
    }
}
