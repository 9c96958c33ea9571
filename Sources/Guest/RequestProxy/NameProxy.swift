public import DNSWire
import LinuxKernel
import NIOCore
import NIOPosix
public import NetAddress
public import Policy

/// An answer that DNS gave to a pod of the node.
public struct NameAnswer: Sendable, Hashable {
    /// The name that was asked for, in lower case and without a final dot.
    public let name: String
    /// Its addresses, including those found through aliases, with the seconds for which each may be kept.
    public let addresses: [Address]
    public let connection: ProxiedConnection

    public struct Address: Sendable, Hashable {
        public let address: NetAddress.IPv4Address
        public let timeToLive: UInt32
        public init(_ address: NetAddress.IPv4Address, timeToLive: UInt32) {
            self.address = address
            self.timeToLive = timeToLive
        }
    }
}

/// A transparent proxy for DNS (RFC 1035, RFC 7766) over UDP and TCP, for the queries of the node's pods. A query for a
/// forbidden name is answered with REFUSED (or NXDOMAIN). Any other is passed to the server that was called, under the
/// pod's address and a port of the proxy's own. An answer is reported before the pod gets it.
///
/// Messages pass unchanged. The proxy gives answers of its own only to refuse, to a query that cannot be read
/// (FORMERR), to operations other than queries (NOTIMP), and if what it learned cannot be put into force (SERVFAIL). A
/// message from the server that does not answer the query is dropped.
public final class NameProxy: Sendable {
    /// Says whether a name may be asked for. It is called on the proxy's threads.
    public typealias Judge = @Sendable (_ name: String, ProxiedConnection, PortProtocol) -> Bool
    /// Takes over an answer before the pod gets it. If it throws, the pod gets SERVFAIL. It is called on the proxy's
    /// threads.
    public typealias Learner = @Sendable (NameAnswer) throws -> Void

    public struct Settings: Sendable {
        /// The preferred port for both protocols, so that packets find the proxy again after a restart. If it is taken,
        /// another one is used.
        public var port: UInt16 = 10_502
        public var own: OwnConnections
        /// The mark on packets to pods.
        public var mark: UInt32
        /// The largest number of UDP queries that wait for an answer. Further ones are dropped, and their resolvers ask
        /// again.
        public var questionLimit = 512
        /// The largest number of TCP connections. Further ones are refused.
        public var connectionLimit = 128
        /// The answer to a query for a name that may not be asked for.
        public var refusal = DNSCode.refused
        /// The seconds after which a UDP query counts as unanswered.
        public var patience = 10
        /// A TCP connection ends after this time of silence.
        public var idleTimeout = TimeAmount.seconds(30)
        /// For tests: the server to call instead of the one that the client called. It needs no privilege.
        public var fixedServer: (address: NetAddress.IPv4Address, port: UInt16)?

        public init(mark: UInt32, own: OwnConnections) {
            self.mark = mark
            self.own = own
        }
    }

    /// The port on which it listens, on 127.0.0.1, for UDP and TCP.
    public let port: UInt16
    private let datagrams: NameDatagrams
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    /// Starts to listen.
    ///
    /// - Throws: `SystemError` or `IOError` with the errno of the call that was refused.
    public init(_ settings: Settings, judge: @escaping Judge, learn: @escaping Learner) throws {
        let desk = NameDesk(judge: judge, learn: learn, refusal: settings.refusal)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        do {
            (datagrams, channel) = try Self.listen(settings, desk, group)
        } catch {
            try? group.syncShutdownGracefully()
            throw error
        }
        port = datagrams.port
        datagrams.start()
    }

    /// Ends all queries and connections.
    public func stop() {
        datagrams.stop()
        try? group.syncShutdownGracefully()
    }

    /// Listens for both protocols on one port.
    private static func listen(
        _ settings: Settings, _ desk: NameDesk, _ group: MultiThreadedEventLoopGroup
    ) throws -> (NameDatagrams, any Channel) {
        do {
            let datagrams = try NameDatagrams(settings, desk, port: settings.port)
            return (datagrams, try NameStream.listen(settings, desk, group, port: datagrams.port))
        } catch {
            if settings.port == 0 { throw error }
            let datagrams = try NameDatagrams(settings, desk, port: 0)
            return (datagrams, try NameStream.listen(settings, desk, group, port: datagrams.port))
        }
    }
}

/// Handles messages, however they arrive.
struct NameDesk: Sendable {
    let judge: NameProxy.Judge
    let learn: NameProxy.Learner
    let refusal: DNSCode

    enum Query {
        /// The query goes to the server.
        case pass(DNSQuestion)
        /// The proxy answers with these bytes.
        case answer([UInt8])
        /// The message is ignored.
        case ignore
    }

    func read(_ message: [UInt8], _ connection: ProxiedConnection, _ transport: PortProtocol) -> Query {
        do throws(DNSQuestion.Mistake) {
            let question = try DNSQuestion(message)
            if question.opcode != 0 { return .answer(question.reply(.notImplemented)) }
            guard judge(question.name, connection, transport) else { return .answer(question.reply(refusal)) }
            return .pass(question)
        } catch {
            if case .malformed(let id) = error { return .answer(DNSQuestion.malformedReply(id)) }
            return .ignore
        }
    }

    /// Returns what the pod gets, or nil if the message does not answer the query.
    func answer(_ message: [UInt8], to question: DNSQuestion, _ connection: ProxiedConnection) -> [UInt8]? {
        guard let answer = DNSAnswer(message), answer.id == question.id, answer.question.name == question.name,
            answer.question.type == question.type, answer.question.class == question.class
        else { return nil }
        let addresses = answer.addresses.map {
            NameAnswer.Address(IPv4Address(rawValue: $0.address), timeToLive: $0.timeToLive)
        }
        if addresses.isEmpty || question.class != 1 { return message }
        do {
            try learn(NameAnswer(name: question.name, addresses: addresses, connection: connection))
            return message
        } catch {
            return question.reply(.serverFailure)
        }
    }
}
