import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// What a server costs.
public struct ServerUsage: Sendable, Hashable, Codable {
    public var server: ControlPlaneServer
    /// Octets of memory, and the most that it had.
    public var residentBytes: Int
    public var peakResidentBytes: Int
    /// Processor time since its start.
    public var processorSeconds: Double
}

extension ServerProcess {
    /// Read from /proc; nil when the process has ended.
    func usage() -> ServerUsage? {
        guard end == nil, let text = text("status"), let numbers = statistics() else { return nil }
        func kilobytes(_ field: String) -> Int? {
            text.split(separator: "\n").first { $0.hasPrefix(field + ":") }?.split(whereSeparator: \.isWhitespace)
                .dropFirst().first.flatMap { Int($0) }
        }
        guard let resident = kilobytes("VmRSS"), let peak = kilobytes("VmHWM") else { return nil }
        // After the name in parentheses: fields 3 and on of proc(5); 14 and 15 are user and system time in ticks.
        let ticks = numbers.dropFirst(11).prefix(2).compactMap { Double($0) }.reduce(0, +)
        return ServerUsage(
            server: server, residentBytes: resident << 10, peakResidentBytes: peak << 10,
            processorSeconds: ticks / Double(max(1, sysconf(Int32(_SC_CLK_TCK)))))
    }

    private func text(_ file: String) -> String? {
        guard let descriptor = try? FileDescriptor.open("/proc/\(processIdentifier)/\(file)", O_RDONLY),
            let bytes = try? descriptor.readToEnd()
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The fields of /proc/PID/stat that come after the name.
    private func statistics() -> [Substring]? {
        guard let text = text("stat"), let parenthesis = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: parenthesis)...].split(separator: " ")
    }
}
