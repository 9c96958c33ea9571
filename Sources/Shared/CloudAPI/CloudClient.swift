import HTTPWire
import LinuxKernel
import NetAddress
import NIOHTTP1

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Asks the cloud's interface service over the node's own network. Every call blocks until the answer comes or the
/// deadline is over.
public struct CloudClient: Sendable {
    /// How long an answer may take. Attaching a card waits for the hypervisor, and detaching one for the node's kernel.
    private static let patience = Duration.seconds(40)

    public init() {}

    /// Returns the node as the cloud knows it.
    public func describe() throws -> CloudInstance {
        guard let instance = try ask(CloudRequest(.describeInstance)).instance else {
            throw CloudFailure(.internalError, "the cloud did not say what instance this is")
        }
        return instance
    }

    /// Makes one request.
    ///
    /// - Throws: The cloud's `CloudFailure` if it refused the request, `SystemError` if the cloud cannot be reached.
    public func ask(_ request: CloudRequest) throws -> CloudReply {
        try post(request, to: CloudService.path, as: CloudReply.self)
    }

    /// Makes one request of the owner of the machines. The cloud answers it at the control plane's address only.
    ///
    /// - Throws: As the other.
    public func ask(_ request: AccountRequest) throws -> AccountReply {
        try post(request, to: CloudService.accountPath, as: AccountReply.self)
    }

    private func post<Reply: Decodable>(
        _ request: some Encodable, to path: String, as type: Reply.Type
    ) throws -> Reply {
        let body = Array(try JSONEncoder().encode(request))
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: path,
            headers: [
                "Host": CloudService.address, "Connection": "close", "Content-Type": "application/json",
                "Content-Length": "\(body.count)",
            ])
        let answer = try HTTPAnswer(exchange(HTTPWire.bytes(of: head, body: body)))
        let data = Data(answer.body)
        guard answer.status == 200 else {
            guard let failure = try? JSONDecoder().decode(CloudFailure.self, from: data) else {
                throw CloudFailure(.internalError, "the cloud answered with status \(answer.status)")
            }
            throw failure
        }
        do {
            return try JSONDecoder().decode(Reply.self, from: data)
        } catch {
            throw CloudFailure(.internalError, "the cloud's answer cannot be read: \(error)")
        }
    }

    private func exchange(_ request: [UInt8]) throws -> [UInt8] {
        let deadline = Deadline.after(Self.patience)
        let subject = "\(CloudService.address):\(CloudService.port)"
        guard let target = IPv4Address(CloudService.address) else {
            throw SystemError(code: EINVAL, call: "connect", subject: subject)
        }
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(owning: try check("socket") { Glibc.socket(AF_INET, flags, 0) })
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = CloudService.port.bigEndian
        address.sin_addr.s_addr = target.networkByteOrder
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status != 0, errno != EINPROGRESS { throw SystemError.last("connect", subject) }
        func wait(_ events: Int32, _ call: String) throws {
            guard try waitUntilReady(socket.rawValue, events: Int16(events), until: deadline) else {
                throw SystemError(code: ETIMEDOUT, call: call, subject: subject)
            }
        }
        var sent = 0
        while sent < request.count {
            try wait(POLLOUT, "connect")
            let count = request[sent...].withUnsafeBytes {
                send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno != EAGAIN, errno != EINTR { throw SystemError.last("send", subject) }
            sent += max(0, count)
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            try wait(POLLIN, "recv")
            let count = recv(socket.rawValue, &buffer, buffer.count, 0)
            if count < 0 {
                if errno == EAGAIN || errno == EINTR { continue }
                throw SystemError.last("recv", subject)
            }
            if count == 0 { return answer }
            answer += buffer[..<count]
            guard answer.count <= 2 * CloudService.longestBody else {
                throw SystemError(code: EMSGSIZE, call: "recv", subject: subject)
            }
        }
    }
}

/// A whole HTTP/1.1 answer to a POST, of a connection that ended with it.
struct HTTPAnswer: Equatable {
    let status: Int
    let body: [UInt8]

    /// - Throws: `CloudFailure` for what is no such answer, or not all of one.
    init(_ bytes: [UInt8]) throws(CloudFailure) {
        let limits = HTTPWire.Limits(head: CloudService.longestBody, body: CloudService.longestBody)
        guard let answer = try? HTTPWire.response(in: bytes, to: .POST, ended: true, limits: limits),
            (100...599).contains(answer.head.status.code)
        else {
            throw CloudFailure(.internalError, "the cloud's answer is not a whole one of HTTP")
        }
        status = Int(answer.head.status.code)
        body = answer.body
    }
}
