//! A small page with a button, served to this machine alone: shows the code, and speaks it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::display::{Display, DisplayError};
use crate::sound::{self, Language, Manner};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
/// The longest head of a request, bytes.
const LONGEST_HEAD: u64 = 8 * 1024;

/// Serves until the program is ended.
pub(crate) fn serve(path: &Path, port: u16) -> Result<(), DisplayError> {
    Display::open(path)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(DisplayError::Page)?;
    let address = listener.local_addr().map_err(DisplayError::Page)?;
    crate::say(&format!("http://{address}/"))?;
    for stream in listener.incoming().flatten() {
        // One visitor at a time: it is a thing in one hand.
        let _ = answer(path, stream);
    }
    Ok(())
}

fn answer(path: &Path, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let own = format!("http://{}", stream.local_addr()?);
    let mut reader = BufReader::new(stream.try_clone()?.take(LONGEST_HEAD));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut host, mut origin) = (String::new(), None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "host" => host = value.trim().to_owned(),
            "origin" => origin = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    // Another site's page must not press the button, nor read it by a name that it points here.
    let ours = own.ends_with(&format!("//{host}")) && origin.is_none_or(|origin| origin == own);
    let mut words = first.split_ascii_whitespace();
    match (ours, words.next(), words.next()) {
        (true, Some("GET"), Some("/")) => reply(&mut stream, "200 OK", "text/html; charset=utf-8", PAGE.as_bytes()),
        (true, Some("GET"), Some("/page.js")) => {
            reply(&mut stream, "200 OK", "text/javascript; charset=utf-8", SCRIPT.as_bytes())
        }
        (true, Some("POST"), Some(asked)) if asked.starts_with("/press/") => {
            let language = match asked.trim_start_matches("/press/") {
                "en" => Language::En,
                "kl" => Language::Kl,
                _ => Language::Da,
            };
            match Display::open(path).and_then(|mut display| display.press(path)) {
                Ok(code) => {
                    let manner = Manner { language, times: 1, speed: 1.0, volume: 1.0, pause_ms: 600 };
                    let sound = sound::wav(&sound::speak(code.expose(), &manner));
                    let body = [sound::in_groups(code.expose()).as_bytes(), b"\n", &sound].concat();
                    reply(&mut stream, "200 OK", "application/octet-stream", &body)
                }
                Err(_) => reply(&mut stream, "500 Internal Server Error", "text/plain", b""),
            }
        }
        _ => reply(&mut stream, "404 Not Found", "text/plain", b""),
    }
}

fn reply(stream: &mut TcpStream, status: &str, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         content-security-policy: default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
         media-src blob:; frame-ancestors 'none'\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &Path, request: &str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let request = request.replace("HOST", &address.to_string());
        std::thread::scope(|scope| {
            let asking = scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                let mut reply = Vec::new();
                stream.read_to_end(&mut reply).unwrap();
                String::from_utf8_lossy(&reply).into_owned()
            });
            answer(path, listener.accept().unwrap().0).unwrap();
            asking.join().unwrap()
        })
    }

    #[test]
    fn the_page_presses_the_button_and_no_other_site_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.json");
        Display::create(&path, "T", None, &folder.path().join("d.xml")).unwrap();
        let page = ask(&path, "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("<button"), "{page}");
        assert!(ask(&path, "GET /page.js HTTP/1.1\r\nHost: HOST\r\n\r\n").contains("use strict"));
        let body = |reply: &str| reply.split_once("\r\n\r\n").unwrap().1[..7].to_owned();
        let first = ask(&path, "POST /press/da HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\n\r\n");
        let second = ask(&path, "POST /press/en HTTP/1.1\r\nHost: HOST\r\n\r\n");
        assert!(first.contains("RIFF") && second.contains("RIFF"));
        assert_ne!(body(&first), body(&second));
        for bad in [
            "POST /press/da HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.dk\r\n\r\n",
            "POST /press/da HTTP/1.1\r\nHost: evil.dk\r\n\r\n",
            "POST /press/da HTTP/1.1\r\n\r\n",
            "GET /press/da HTTP/1.1\r\nHost: HOST\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            assert!(ask(&path, bad).starts_with("HTTP/1.1 404"), "{bad}");
        }
    }
}
