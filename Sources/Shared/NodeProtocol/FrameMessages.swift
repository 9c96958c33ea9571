#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Frame {
    public static func request(_ request: NodeRequest, session: UInt32, id: UInt64) throws -> Frame {
        Frame(kind: .request, session: session, request: id, json: try encode(request))
    }

    public static func reply(
        _ reply: NodeReply, blob: [UInt8] = [], session: UInt32, id: UInt64
    ) throws -> Frame {
        Frame(kind: .reply, session: session, request: id, json: try encode(reply), blob: blob)
    }

    public static func event(_ event: NodeEvent, session: UInt32) throws -> Frame {
        Frame(kind: .event, session: session, request: 0, json: try encode(event))
    }

    /// Returns a message as JSON, as a frame contains it.
    public static func encode(_ message: some Encodable) throws -> [UInt8] {
        Array(try JSONEncoder().encode(message))
    }

    /// Reads the JSON part.
    public func decode<Message: Decodable>(_ type: Message.Type = Message.self) throws -> Message {
        try JSONDecoder().decode(type, from: Data(json))
    }
}

extension NodeRequest {
    /// The case's name, for messages.
    public var name: String {
        switch self {
        case .hello: "hello"
        case .configure: "configure"
        case .startAgent: "startAgent"
        case .agentCall: "agentCall"
        case .createPod(let pod): "createPod \(pod.namespace)/\(pod.name)"
        case .deletePod(let pod): "deletePod \(pod.namespace)/\(pod.name)"
        case .probe(let plan): "probe \(plan.id)"
        case .sightings(let plan): "sightings \(plan)"
        case .openStreams(let plan): "openStreams \(plan.id)"
        case .readStreams(let id): "readStreams \(id)"
        case .closeStreams(let id): "closeStreams \(id)"
        case .operate(let operation): operation.name
        case .snapshot: "snapshot"
        case .uptime: "uptime"
        case .podInterfaces: "podInterfaces"
        case .execute(let command): "execute \(command.arguments.first ?? "")"
        case .podExec(let command):
            "podExec \(command.pod.map { "\($0.namespace)/\($0.name)" } ?? "node") \(command.arguments.first ?? "")"
        case .powerOff: "powerOff"
        }
    }
}
