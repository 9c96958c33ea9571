public import DNSWire
import LinuxKernel
import NIOCore
import NIOPosix
public import NetAddress
public import Policy

/// What DNS answered a pod of the node.
public struct NameAnswer: Sendable, Hashable {
    /// The name that was asked for: lower case, without the last dot.
    public let name: String
    /// Its addresses, also by way of aliases, with the seconds that each may be kept.
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

/// A transparent proxy for DNS (RFC 1035, RFC 7766) over UDP and TCP, for the questions that pods of the node ask.
/// Names that may not be asked for are answered with REFUSED (or NXDOMAIN); all others go to the server that was
/// called, under the pod's address and a port of the proxy's own. What comes back is told before the pod gets it.
///
/// Octets pass as they are: the proxy answers for itself only to refuse, to a query that cannot be read (FORMERR), to
/// other operations than queries (NOTIMP), and when what it learned cannot be made to hold (SERVFAIL). An answer that
/// is none to the question is dropped.
public final class NameProxy: Sendable {
    /// Whether a name may be asked for; on the proxy's threads.
    public typealias Judge = @Sendable (_ name: String, ProxiedConnection, PortProtocol) -> Bool
    /// Takes over what was answered, before the pod has it; an error is the pod's SERVFAIL. On the proxy's threads.
    public typealias Learner = @Sendable (NameAnswer) throws -> Void

    public struct Settings: Sendable {
        /// Preferred, of both protocols, so that a restart finds its packets; another one when it is taken.
        public var port: UInt16 = 10_502
        public var own: OwnConnections
        /// Of the sockets towards pods.
        public var mark: UInt32
        /// Questions under way over UDP; more are dropped, and asked again by their resolvers.
        public var questionLimit = 512
        /// TCP connections at once; more are refused.
        public var connectionLimit = 128
        /// What is answered to a question for a name that may not be asked for.
        public var refusal = DNSCode.refused
        /// Seconds after which a question over UDP has no answer.
        public var patience = 10
        /// Silence that ends a TCP connection.
        public var idleTimeout = TimeAmount.seconds(30)
        /// Called instead of the server that the client called; needs no privilege. For tests.
        public var fixedServer: (address: NetAddress.IPv4Address, port: UInt16)?

        public init(mark: UInt32, own: OwnConnections) {
            self.mark = mark
            self.own = own
        }
    }

    /// Where it listens, on 127.0.0.1, UDP and TCP.
    public let port: UInt16
    private let datagrams: NameDatagrams
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    /// Listens.
    ///
    /// - Throws: `SystemError` or `IOError` with the errno of what was refused.
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

    /// Ends all questions and connections.
    public func stop() {
        datagrams.stop()
        try? group.syncShutdownGracefully()
    }

    /// Both protocols on one port.
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

/// What is done with messages, whichever way they come.
struct NameDesk: Sendable {
    let judge: NameProxy.Judge
    let learn: NameProxy.Learner
    let refusal: DNSCode

    enum Query {
        /// Goes to the server.
        case pass(DNSQuestion)
        /// The proxy's own answer.
        case answer([UInt8])
        /// Nothing comes of it.
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

    /// What the pod gets; nil when the message is no answer to the question.
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
