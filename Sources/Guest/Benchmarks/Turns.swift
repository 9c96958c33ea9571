import PacketChecks

/// Runs two or three ways in turns on the same machine, so that whatever slows the machine down slows all of them.
enum Turns {
    static let count = 24
    static let milliseconds = 250

    /// Returns what each way reached in each turn.
    static func rates(_ ways: [(Int) throws -> Double]) throws -> [[Double]] {
        var rates = ways.map { _ in [Double]() }
        for _ in 0..<count {
            for (index, way) in ways.enumerated() { rates[index].append(try way(milliseconds)) }
        }
        return rates
    }

    /// Returns the median of the turns' own ratios.
    static func ratio(_ ours: [Double], _ floors: [Double]) -> Double { median(zip(ours, floors).map { $0 / $1 }) }
}
