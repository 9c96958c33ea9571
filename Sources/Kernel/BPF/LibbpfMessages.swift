import CLibbpf
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Collects libbpf's warnings for the next error, instead of printing them to standard error.
enum LibbpfMessages {
    private static let kept = Mutex<[String]>([])
    private static let limit = 64

    static func install() {
        _ = libbpf_set_print(keepLibbpfMessage)
    }

    static func clear() {
        kept.withLock { $0.removeAll() }
    }

    static func take() -> [String] {
        kept.withLock { messages in
            defer { messages.removeAll() }
            return messages
        }
    }

    static func append(_ message: String) {
        kept.withLock { messages in
            if messages.count < limit { messages.append(message) }
        }
    }
}

/// This is at file scope because C calls it, on whichever thread libbpf runs.
private func keepLibbpfMessage(
    level: libbpf_print_level, format: UnsafePointer<CChar>?, arguments: CVaListPointer?
) -> Int32 {
    guard level == LIBBPF_WARN, let format, let arguments else { return 0 }
    var line = [CChar](repeating: 0, count: 1024)
    let length = vsnprintf(&line, line.count, format, arguments)
    guard length > 0 else { return length }
    let text = line.prefix(min(Int(length), line.count - 1)).map { UInt8(bitPattern: $0) }
    LibbpfMessages.append(String(decoding: text, as: UTF8.self).split(separator: "\n").joined(separator: " "))
    return length
}
