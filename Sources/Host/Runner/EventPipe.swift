import Foundation
import LinuxKernel
import RunEvents

/// Writes events as JSON lines, in order, on a queue of its own, so that a slow reader never blocks a task.
final class EventPipe: Sendable {
    private let queue = DispatchQueue(label: "events")
    private let channels: LabHostChannels

    init(_ channels: LabHostChannels) { self.channels = channels }

    func write(_ event: RunEvent) {
        queue.async { [channels] in
            guard var bytes = (try? EventLine.encode(event)) ?? Self.lost(at: event.at) else { return }
            bytes.append(0x0A)
            // A reader that is gone needs no events. Its lifeline ends this process.
            try? channels.emit(Array(bytes))
        }
    }

    /// Takes the place of an event that JSON cannot represent, for example because a number is not finite.
    private static func lost(at time: Double) -> Data? {
        let record = LogRecord(
            level: .error, source: "lab host", message: "an event could not be encoded and is missing")
        return try? EventLine.encode(RunEvent(at: time.isFinite ? time : 0, payload: .log(record)))
    }

    /// Returns once everything was written.
    func finish() { queue.sync {} }
}
