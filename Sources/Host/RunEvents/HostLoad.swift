/// How busy the host was for a while. A node's virtual processors are threads of the host, so a node may be slow just
/// because the host had no free processor for it.
public struct HostLoad: Codable, Sendable, Hashable {
    /// The seconds that the reading covers, by the host's monotonic clock.
    public let seconds: Double
    /// The load average of the last minute at the end, from `/proc/loadavg`; nil if it could not be read.
    public let loadAverage: Double?
    /// The share of the time, 0…1, in which some task of the host waited for a processor: `some` of
    /// `/proc/pressure/cpu` (Documentation/accounting/psi.rst in the Linux sources). It is nil on a kernel without
    /// pressure stall information.
    public let pressure: Double?
    /// Share of the processors' time, 0…1, that the hypervisor below this host gave to others: `steal` of `/proc/stat`.
    public let steal: Double?
    /// The seconds of processor time that all threads of the lab's emulators got, from their `schedstat`.
    public let emulatorsRan: Double
    /// The seconds that these threads were ready to run and waited for a processor, summed over all of them.
    public let emulatorsWaited: Double

    public init(
        seconds: Double, loadAverage: Double?, pressure: Double?, steal: Double?, emulatorsRan: Double,
        emulatorsWaited: Double
    ) {
        self.seconds = seconds
        self.loadAverage = loadAverage
        self.pressure = pressure
        self.steal = steal
        self.emulatorsRan = emulatorsRan
        self.emulatorsWaited = emulatorsWaited
    }
}
