"""The photo of a look is shown again for as long as it is kept."""

from __future__ import annotations

import io
from pathlib import Path

import service_app
from PIL import Image


def test_the_photo_of_a_look_is_sent_small_upright_and_as_long_as_it_is_kept(
    tmp_path: Path,
) -> None:
    photo = Image.new("RGB", (300, 200), "red")
    exif = photo.getexif()
    exif[0x0112] = 6  # a quarter turn
    exif[0x010E] = "where it was taken"
    data = io.BytesIO()
    photo.save(data, "JPEG", exif=exif)
    with service_app.serving(tmp_path) as service:
        looked = service.client.post("/v1/look", files={"photo": ("a.jpg", data.getvalue())})
        query_id = looked.json()["query_id"]
        answer = service.client.get(f"/v1/look/{query_id}/photo", params={"width": 100})

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.content)) as shown:
            assert shown.size == (67, 100)
            assert not shown.getexif()
        again = service.client.get(
            f"/v1/look/{query_id}/photo",
            params={"width": 100},
            headers={"If-None-Match": answer.headers["etag"]},
        )
        assert again.status_code == 304
        gone = service.client.get("/v1/look/never-given/photo")
        assert (gone.status_code, gone.json()["code"]) == (410, "query_expired")
        wide = service.client.get(f"/v1/look/{query_id}/photo", params={"width": 9999})
        assert wide.status_code == 422
