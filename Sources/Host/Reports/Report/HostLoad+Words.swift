import RunEvents

extension HostLoad {
    /// For example `load 3.1, some task waited for a processor 64 % of the time, the emulators ran 12.0 s and waited
    /// 30.2 s`.
    var words: String {
        var parts: [String] = []
        if let loadAverage, loadAverage.isFinite { parts.append("load \(Self.tenths(loadAverage))") }
        if let pressure { parts.append("some task waited for a processor \(Self.percent(pressure)) of the time") }
        if let steal, steal >= 0.005 { parts.append("\(Self.percent(steal)) of the processors' time was stolen") }
        parts.append("the emulators ran \(shortSeconds(emulatorsRan)) and waited \(shortSeconds(emulatorsWaited))")
        return parts.joined(separator: ", ")
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int(min(max(0, value), 1e9) * 10 + 0.5)
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func percent(_ share: Double) -> String {
        "\(share.isFinite ? Int(min(max(0, share), 1) * 100 + 0.5) : 0) %"
    }
}
