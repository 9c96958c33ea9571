import CLibnl
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Sends requests to nf_tables over a socket of its own, in the calling thread's network namespace.
enum NetfilterBatch {
    private static let patience = Duration.seconds(5)
    /// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`
    private static let begin: UInt16 = 0x10
    private static let end: UInt16 = 0x11
    /// `NLM_F_REQUEST`, `NLM_F_ACK`
    private static let request: UInt16 = 1
    private static let acknowledge: UInt16 = 4

    /// Sends the messages, as one transaction if `inBatch`, and waits until the kernel has answered each.
    static func run(
        _ call: String, subject: String, _ messages: [NetfilterMessage], inBatch: Bool = true
    ) throws(SystemError) {
        let number = try check("socket", "NETLINK_NETFILTER") {
            socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), NETLINK_NETFILTER)
        }
        let file = FileDescriptor(owning: number)
        let bytes = encode(messages, inBatch: inBatch)
        try check("send", subject) { send(file.rawValue, bytes, bytes.count, 0) }
        var waiting = Set((0..<UInt32(messages.count)).map { $0 + 1 })
        let deadline = Deadline.after(patience)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !waiting.isEmpty {
            guard try waitUntilReady(file.rawValue, events: Int16(POLLIN), until: deadline) else {
                throw SystemError(code: ETIMEDOUT, call: call, subject: subject)
            }
            let count = try check("recv", subject) { recv(file.rawValue, &buffer, buffer.count, 0) }
            for answer in NetlinkAnswers.acknowledgements(in: Array(buffer.prefix(count))) {
                // The batch's own markers are answered only if the subsystem is missing.
                guard answer.error == 0 else { throw SystemError(code: answer.error, call: call, subject: subject) }
                waiting.remove(answer.sequence)
            }
        }
    }

    static func encode(_ messages: [NetfilterMessage], inBatch: Bool) -> [UInt8] {
        var bytes = NetlinkBytes()
        // struct nfgenmsg: family, version, resource in network byte order.
        func header(_ family: UInt8, _ resource: UInt16) -> [UInt8] {
            [family, 0, UInt8(resource >> 8), UInt8(resource & 0xFF)]
        }
        if inBatch {
            bytes.message(type: begin, flags: request, sequence: 0) { $0.append(header(0, NetfilterMessage.subsystem)) }
        }
        for (index, message) in messages.enumerated() {
            bytes.message(
                type: message.type, flags: message.flags | request | acknowledge, sequence: UInt32(index) + 1
            ) { body in
                // NFPROTO_IPV4
                body.append(header(2, 0))
                message.attributes(&body)
            }
        }
        if inBatch {
            bytes.message(type: end, flags: request, sequence: UInt32(messages.count) + 1) {
                $0.append(header(0, NetfilterMessage.subsystem))
            }
        }
        return bytes.bytes
    }
}
