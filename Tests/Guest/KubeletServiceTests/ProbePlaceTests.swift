import Testing

@testable import KubeletService

@Suite struct ProbePlaceTests {
    private let place = ProbePlace(isTLS: false, host: "10.0.0.5", port: 8080, path: "/app/health?full=1")

    @Test(arguments: [
        ("/ready", "http://10.0.0.5:8080/ready"), ("ready", "http://10.0.0.5:8080/app/ready"),
        ("?short=1", "http://10.0.0.5:8080/app/health?short=1"), ("https://10.0.0.5/", "https://10.0.0.5:443/"),
        ("HTTP://10.0.0.6:81", "http://10.0.0.6:81/"), ("//other?x", "http://other:80/?x"),
        ("http://user@[fd00::1]:9/a#b", "http://[fd00::1]:9/a"), ("", "http://10.0.0.5:8080/app/"),
    ])
    func `a location leads from where it was said`(_ location: String, _ url: String) {
        #expect(place.following(location)?.url == url)
    }

    @Test(arguments: [
        "http://", "http://:80/", "http://a:b/", "http://a:0/", "http://[fd00::1/", "http://[::1]x/", "mailto:a", "a b",
        "http://a:99999/",
    ])
    func `what leads nowhere is nothing`(_ location: String) { #expect(place.following(location) == nil) }

    @Test func `no location is a trap`() {
        let whole = Array("http://user@[fd00::1]:9/a?b#c".utf8)
        var state: UInt64 = 5
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 20) & 127
            }
            _ = place.following(String(decoding: bytes, as: UTF8.self))
        }
    }
}
